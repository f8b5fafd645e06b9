//! `proxy-settings`: the proxy changes its SETTINGS in the middle of connections, or answers none.

use crate::fault::hosts::CONNECTED;
use crate::fault::kind::{About, Drawn, Excuse, Hold, Hosts, Key, Kind};
use crate::fault::kinds::lying::LIES_LAST_MS;
use crate::fault::{Family, Harm, ProxyHarm};
use crate::grammar::quantity::{SIZE_FORM, size};
use crate::grammar::{Entry, Problem, spell_size};
use crate::lie::{ConnectionLie, Lie};

/// RFC 9113 section 6.5.2.
const WINDOW_MAX: u64 = (1 << 31) - 1;
/// More streams than any proxy allows.
const STREAMS_MAX: u32 = 1_000_000;
const FORM: &str = "write max-concurrent-streams = 0, initial-window = \"1B\", or answers = false";

/// Limits that fall while streams run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxySettings {
    /// They are told anew, and as before at the end.
    Changed {
        /// SETTINGS_MAX_CONCURRENT_STREAMS.
        max_concurrent_streams: Option<u32>,
        /// SETTINGS_INITIAL_WINDOW_SIZE, in bytes.
        initial_window: Option<u32>,
    },
    /// Those of the other side are never acknowledged.
    Unanswered,
}

impl Kind for ProxySettings {
    type Place = Hosts;

    const ABOUT: About<Self> = About {
        example: "on = \"client-*\"\nmax-concurrent-streams = 0",
        falls_on: |_| CONNECTED,
        read: |section, _| {
            let streams =
                section.optional("max-concurrent-streams", None, |entry| entry.number(0..=STREAMS_MAX).map(Some));
            let window = section.optional("initial-window", None, |entry| read_window(entry).map(Some));
            let answers = section.optional("answers", true, Entry::boolean);
            match (streams?.value, window?.value, answers?.value) {
                (None, None, false) => Some(ProxySettings::Unanswered),
                (None, None, true) => {
                    section.note(section.problem(format!("`{}` changes nothing", section.key())).advice(FORM));
                    None
                }
                (Some(_), _, false) | (_, Some(_), false) => {
                    let problem = section.problem(format!("`{}` changes settings and answers none", section.key()));
                    section.note(problem.advice("write two faults"));
                    None
                }
                (max_concurrent_streams, initial_window, true) => {
                    Some(ProxySettings::Changed { max_concurrent_streams, initial_window })
                }
            }
        },
        keys: |settings| match settings {
            ProxySettings::Changed { max_concurrent_streams, initial_window } => {
                let streams: Option<Key> =
                    max_concurrent_streams.map(|streams| ("max-concurrent-streams", i64::from(streams).into()));
                let window = initial_window.map(|window| ("initial-window", spell_size(u64::from(window)).into()));
                streams.into_iter().chain(window).collect()
            }
            ProxySettings::Unanswered => vec![("answers", false.into())],
        },
        told: |settings, hosts| match settings {
            ProxySettings::Changed { max_concurrent_streams, initial_window } => {
                let streams = max_concurrent_streams.map(|streams| format!("{streams} concurrent streams"));
                let window = initial_window.map(|window| format!("windows of {}", spell_size(u64::from(window))));
                let what = streams.into_iter().chain(window).collect::<Vec<_>>().join(" and ");
                format!("the proxy allows {hosts} {what}, by SETTINGS in the middle of connections")
            }
            ProxySettings::Unanswered => format!("the proxy acknowledges no SETTINGS of {hosts}"),
        },
        harm: |settings, on| {
            let lie = match *settings {
                ProxySettings::Changed { max_concurrent_streams, initial_window } => {
                    ConnectionLie::Settings { max_concurrent_streams, initial_window }
                }
                ProxySettings::Unanswered => ConnectionLie::SettingsUnanswered,
            };
            Harm::Proxy { on, harm: ProxyHarm::plain(Lie::Connection(lie)) }
        },
        excuse: |_| Excuse::Nobody,
        hold: |_| Hold::Nothing,
        obstacle: |_, _| None,
        drawn: Some(Drawn {
            family: Family::Lies,
            lasts_ms: LIES_LAST_MS,
            fault: |draw| {
                let settings = if draw.one_in(4) {
                    ProxySettings::Unanswered
                } else {
                    let streams = draw.coin().then(|| draw.uniform(0, 4));
                    let window = (streams.is_none() || draw.coin()).then(|| draw.number(1, 65_535) - 1);
                    ProxySettings::Changed { max_concurrent_streams: streams, initial_window: window }
                };
                settings.on(draw.hosts(CONNECTED.can))
            },
        }),
    };
}

fn read_window(entry: &Entry<'_>) -> Result<u32, Problem> {
    let bytes = entry.quantity(SIZE_FORM, size)?;
    let window = u32::try_from(bytes).ok().filter(|_| bytes <= WINDOW_MAX);
    window.ok_or_else(|| entry.outside(&spell_size(bytes), "0B", &spell_size(WINDOW_MAX)))
}
