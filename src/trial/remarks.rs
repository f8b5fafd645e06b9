//! What an engine noticed, in the words of a trial's hosts.
//!
//! Refuses to know when it is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::cast::HostName;
use crate::grammar::nearest;
use crate::history::{Aside, AsideKind};
use crate::world::{Remark, Remarked};

/// A remark in words; `hosts` are all that there are.
pub(crate) fn aside(remark: Remark, hosts: &[&str]) -> Aside {
    let Remark { host, at, count, what } = remark;
    let (kind, did, so) = match what {
        Remarked::Ended => (AsideKind::End, "its program ends, without an error".to_owned(), String::new()),
        Remarked::Unknown { name } => {
            let (did, so) = unknown(&name, hosts);
            (AsideKind::Clue, did, so)
        }
        Remarked::NobodyListens { on, port, by_v6, elsewhere, ports } => {
            let to = if on == host { "itself at port ".to_owned() } else { format!("{on}:") };
            let by = if by_v6 { " by IPv6" } else { "" };
            (AsideKind::Clue, format!("dialed {to}{port}{by}"), nobody_listens(&on, (port, by_v6), &elsewhere, &ports))
        }
    };
    Aside { at, host: HostName::from(host), count, kind, did, so }
}

fn unknown(name: &str, hosts: &[&str]) -> (String, String) {
    if name.parse::<IpAddr>().is_ok() {
        let so = "no host of this world has that address; hosts dial each other by their names".to_owned();
        return (format!("dialed {name}"), so);
    }
    let help = match nearest(name, hosts) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => format!("; the hosts are {}", hosts.join(", ")),
    };
    // It may have anything in it.
    (format!("looked up `{}`", name.escape_debug()), format!("no such host{help}"))
}

fn nobody_listens(on: &str, (port, by_v6): (u16, bool), elsewhere: &[IpAddr], ports: &[u16]) -> String {
    if let Some(first) = elsewhere.first().filter(|first| by_v6 || first.is_loopback()) {
        if by_v6 && elsewhere.iter().any(|bound| bound.is_ipv4() && !bound.is_loopback()) {
            return format!(
                "{on} listens there by IPv4 alone; let it listen at [::]:{port}, or dial its address of IPv4"
            );
        }
        let wide = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port);
        let only = SocketAddr::new(*first, port);
        return format!("{on} listens there at {only} alone, where no other host comes; let it listen at {wide}");
    }
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    match ports.as_slice() {
        [] => format!("nobody listens there; {on} listens on no port"),
        [ports @ .., last] if !ports.is_empty() => {
            format!("nobody listens there; {on} listens on {} and {last}", ports.join(", "))
        }
        [only, ..] => format!("nobody listens there; {on} listens on {only}"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(what: Remarked) -> String {
        let remark = Remark { host: "client".to_owned(), at: Duration::ZERO, count: 12, what };
        aside(remark, &["client", "edge", "server"]).words()
    }

    fn refused(on: &str, elsewhere: &[[u8; 4]], ports: &[u16]) -> String {
        refused_by(false, on, elsewhere, ports)
    }

    fn refused_by(by_v6: bool, on: &str, elsewhere: &[[u8; 4]], ports: &[u16]) -> String {
        let elsewhere = elsewhere.iter().copied().map(IpAddr::from).collect();
        told(Remarked::NobodyListens { on: on.to_owned(), port: 7001, by_v6, elsewhere, ports: ports.to_vec() })
    }

    #[test]
    fn whom_a_host_missed_is_told_with_what_would_be_right() {
        let unknown = |name: &str| told(Remarked::Unknown { name: name.to_owned() });
        assert_eq!(unknown("egde"), "looked up `egde` 12 times: no such host; did you mean `edge`?");
        assert_eq!(unknown("shop"), "looked up `shop` 12 times: no such host; the hosts are client, edge, server");
        assert!(unknown("192.168.1.1").starts_with("dialed 192.168.1.1 12 times: no host of this world has that"));
        assert_eq!(
            refused("edge", &[], &[7000]),
            "dialed edge:7001 12 times: nobody listens there; edge listens on 7000"
        );
        assert!(refused("edge", &[], &[]).ends_with("; edge listens on no port"));
        assert!(refused("client", &[], &[80, 443]).starts_with("dialed itself at port 7001 12 times: nobody"));
        assert!(refused("edge", &[], &[80, 90, 443]).ends_with("; edge listens on 80, 90 and 443"));
        assert_eq!(
            refused("edge", &[[127, 0, 0, 1]], &[7001]),
            "dialed edge:7001 12 times: edge listens there at 127.0.0.1:7001 alone, where no other host comes; let it \
             listen at 0.0.0.0:7001"
        );
        assert_eq!(
            refused_by(true, "edge", &[[0, 0, 0, 0]], &[7001]),
            "dialed edge:7001 by IPv6 12 times: edge listens there by IPv4 alone; let it listen at [::]:7001, or dial its \
             address of IPv4"
        );
    }
}
