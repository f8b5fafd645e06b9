//! Faults in words, as reports tell them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::fault::{Answer, Death, DiskHarm, Expired, Fault, HostHarm, Landmark, LinkHarm, Moment, Point, Unsynced};

/// Hosts, one after the other.
pub(crate) struct Hosts<'f>(pub(crate) &'f BTreeSet<String>);

impl fmt::Display for Hosts<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// More are counted: a sentence stays a sentence.
        const NAMED: usize = 4;
        let named: Vec<&str> = self.0.iter().take(NAMED).map(String::as_str).collect();
        formatter.write_str(&named.join(", "))?;
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(formatter, " and {more} more"),
        }
    }
}

/// A duration in the unit that leaves no zeros.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        match (seconds, nanos) {
            (0, 0) => formatter.write_str("0s"),
            (0, 1..) => write!(formatter, "{:?}", self.0),
            (_, 1..) => write!(formatter, "{:?}", self.0),
            (seconds, 0) if seconds % 3_600 == 0 => write!(formatter, "{}h", seconds / 3_600),
            (seconds, 0) if seconds % 60 == 0 => write!(formatter, "{}m", seconds / 60),
            (seconds, 0) => write!(formatter, "{seconds}s"),
        }
    }
}

/// A number of bytes in the unit that leaves no fraction.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (1 << 20) == 0 => write!(formatter, "{} MiB", bytes >> 20),
            bytes if bytes > 0 && bytes % (1 << 10) == 0 => write!(formatter, "{} KiB", bytes >> 10),
            bytes => write!(formatter, "{bytes} bytes"),
        }
    }
}

/// Hundredths of a percent as a percentage.
pub(crate) struct Percent(pub(crate) u32);

impl fmt::Display for Percent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(formatter, "{whole} %"),
            (whole, part) if part % 10 == 0 => write!(formatter, "{whole}.{} %", part / 10),
            (whole, part) => write!(formatter, "{whole}.{part:02} %"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::ProxySilenceUpstream { on, way, path } => {
                write!(formatter, "the proxy passes nothing for {}", Hosts(on))?;
                if let Some(way) = way {
                    write!(formatter, " {way}")?;
                }
                if let Some(path) = path {
                    write!(formatter, " on {path}")?;
                }
                formatter.write_str(", and goes on answering HTTP/2 PING")
            }
            Fault::Host { on, harm } => write_host(formatter, &Hosts(on), harm),
            Fault::Link { between, harm } => {
                write_link(formatter, harm)?;
                write!(formatter, " {between}")
            }
            Fault::Disk { on, harm } => write_disk(formatter, &Hosts(on), harm),
        }
    }
}

fn write_host(formatter: &mut fmt::Formatter<'_>, on: &Hosts<'_>, harm: &HostHarm) -> fmt::Result {
    match harm {
        HostHarm::Dies { death, point } => {
            let point = point.map(|point| format!(" {point}")).unwrap_or_default();
            match death {
                Death::Killed => write!(formatter, "the process of {on} is killed{point}"),
                Death::PoweredOff(unsynced) => {
                    let fate = match unsynced {
                        Unsynced::Lost => "lost",
                        Unsynced::Torn => "torn",
                        Unsynced::Reordered => "reordered",
                    };
                    write!(formatter, "the power of {on} fails{point}, unsynced writes are {fate}")
                }
                Death::DiskLost => write!(formatter, "the process of {on} is killed{point} and its disk lost"),
                Death::DiskRestored { from } => {
                    write!(formatter, "the process of {on} is killed{point} and its disk of {} restored", Span(*from))
                }
            }
        }
        HostHarm::RestartLoop { up, down } => {
            write!(formatter, "the process of {on} is killed again and again, {} up, {} down", Span(*up), Span(*down))
        }
        HostHarm::Paused => write!(formatter, "the process of {on} is paused"),
        HostHarm::Suspended => write!(formatter, "the machine of {on} is suspended"),
        HostHarm::ClockStep { by_ms } => {
            let direction = if *by_ms < 0 { "back" } else { "ahead" };
            let by = Duration::from_millis(by_ms.unsigned_abs());
            write!(formatter, "the wall clock of {on} jumps {} {direction}", Span(by))
        }
        HostHarm::ClockDrift { parts_per_million } => {
            write!(formatter, "the wall clock of {on} drifts by {parts_per_million} parts per million")
        }
        HostHarm::BacklogFull => write!(formatter, "the backlog of {on} is full: no connection is accepted"),
        HostHarm::Name { name, answer } => match answer {
            Answer::Fails => write!(formatter, "for {on} the name `{name}` cannot be resolved"),
            Answer::Moves { to } => write!(formatter, "for {on} the name `{name}` leads to {to}"),
            Answer::Dead => write!(formatter, "for {on} the name `{name}` leads to a dead host"),
        },
    }
}

fn write_link(formatter: &mut fmt::Formatter<'_>, harm: &LinkHarm) -> fmt::Result {
    match harm {
        LinkHarm::Partition => formatter.write_str("nothing passes"),
        LinkHarm::Latency(latency) => write!(formatter, "bytes take {latency}"),
        LinkHarm::Bandwidth { bytes_per_second } => write!(formatter, "{} per second pass", Bytes(*bytes_per_second)),
        LinkHarm::Loss { basis_points, burst: 1 } => {
            write!(formatter, "{} of segments are lost", Percent(*basis_points))
        }
        LinkHarm::Loss { basis_points, burst } => {
            write!(formatter, "{} of segments are lost, {burst} in a row,", Percent(*basis_points))
        }
        LinkHarm::SynLoss { basis_points } => write!(formatter, "{} of SYNs are lost", Percent(*basis_points)),
        LinkHarm::MtuBlackHole { largest } => {
            write!(formatter, "segments of more than {largest} bytes vanish")
        }
        LinkHarm::IdleDrop { after, then } => {
            let fate = match then {
                Expired::Drop => "later packets vanish",
                Expired::Reset => "later packets are answered with RST",
            };
            write!(formatter, "connections idle for {} are forgotten and {fate}", Span(*after))
        }
    }
}

fn write_disk(formatter: &mut fmt::Formatter<'_>, on: &Hosts<'_>, harm: &DiskHarm) -> fmt::Result {
    match harm {
        DiskHarm::SyncFails => write!(formatter, "the disk of {on} fails to sync"),
        DiskHarm::Full => write!(formatter, "the disk of {on} is full"),
        DiskHarm::SlowSync { takes } => write!(formatter, "the disk of {on} takes {} to sync", Span(*takes)),
        DiskHarm::BitRot { basis_points } => {
            write!(formatter, "{} of cold pages of the disk of {on} have a wrong bit", Percent(*basis_points))
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        let landmark = match self.landmark {
            Landmark::DurableWrite => "durable write",
            Landmark::Frame => "frame",
        };
        write!(formatter, "{moment} {landmark} {}", self.nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Between, Latency};

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_string()).collect()
    }

    fn host(harm: HostHarm) -> Fault {
        Fault::Host { on: names(&["node"]), harm }
    }

    fn link(one_way: bool, harm: LinkHarm) -> Fault {
        Fault::Link { between: Between { from: names(&["proxy"]), to: names(&["a", "b"]), one_way }, harm }
    }

    #[test]
    fn deaths_are_told_with_their_point_and_what_the_disk_keeps() {
        let point = Point { landmark: Landmark::DurableWrite, nth: 3, moment: Moment::Before };
        let killed = host(HostHarm::Dies { death: Death::Killed, point: Some(point) });
        assert_eq!(killed.to_string(), "the process of node is killed before durable write 3");
        let off = host(HostHarm::Dies { death: Death::PoweredOff(Unsynced::Torn), point: Some(point) });
        assert_eq!(off.to_string(), "the power of node fails before durable write 3, unsynced writes are torn");
        let old = Death::DiskRestored { from: Duration::from_secs(120) };
        let old = host(HostHarm::Dies { death: old, point: None });
        assert_eq!(old.to_string(), "the process of node is killed and its disk of 2m restored");
    }

    #[test]
    fn clocks_are_told_with_their_direction() {
        let step = |by_ms| host(HostHarm::ClockStep { by_ms }).to_string();
        assert_eq!(step(300_000), "the wall clock of node jumps 5m ahead");
        assert_eq!(step(-1_500), "the wall clock of node jumps 1.5s back");
    }

    #[test]
    fn links_are_told_with_their_ends() {
        let cases = [
            (true, LinkHarm::Partition, "nothing passes from proxy to a, b"),
            (
                false,
                LinkHarm::Latency(Latency::uniform(Duration::ZERO, Duration::from_secs(1))),
                "bytes take 0s..1s between proxy and a, b",
            ),
            (false, LinkHarm::Bandwidth { bytes_per_second: 65_536 }, "64 KiB per second pass between proxy and a, b"),
            (
                false,
                LinkHarm::Loss { basis_points: 250, burst: 4 },
                "2.5 % of segments are lost, 4 in a row, between proxy and a, b",
            ),
            (true, LinkHarm::SynLoss { basis_points: 5 }, "0.05 % of SYNs are lost from proxy to a, b"),
        ];
        for (one_way, harm, expected) in cases {
            assert_eq!(link(one_way, harm).to_string(), expected);
        }
    }

    #[test]
    fn many_hosts_are_counted() {
        let many: BTreeSet<String> = (1..=9).map(|number| format!("client-{number}")).collect();
        let told = Fault::Host { on: many, harm: HostHarm::Suspended }.to_string();
        assert_eq!(told, "the machine of client-1, client-2, client-3, client-4 and 5 more is suspended");
    }

    #[test]
    fn bytes_and_percentages_leave_no_zeros() {
        let bytes: Vec<String> = [0, 300, 1_024, 1_500, 10 << 20].map(|bytes| Bytes(bytes).to_string()).into();
        assert_eq!(bytes, ["0 bytes", "300 bytes", "1 KiB", "1500 bytes", "10 MiB"]);
        let percent: Vec<String> = [5, 50, 250, 1_000, 10_000].map(|points| Percent(points).to_string()).into();
        assert_eq!(percent, ["0.05 %", "0.5 %", "2.5 %", "10 %", "100 %"]);
    }
}
