//! What the kinds share by which a process dies: the point of its life, and what a host is meanwhile.

use crate::cast::HostName;
use crate::fault::draw::Draw;
use crate::fault::hosts::{EVERYBODY, Reach, WITH_DISK};
use crate::fault::kind::{Hold, Hosts, Key};
use crate::fault::{Landmark, Moment, Point};
use crate::grammar::Section;

/// What a point of a process's life looks like; goes after "write".
const POINT_FORM: &str = "a point such as \"before durable-write 3\" or \"after frame 10\"";
/// Nobody counts further, and no trial lasts so long.
const EVENT_MAX: u32 = 1_000_000;

/// What killing does to a host.
pub(crate) const KILLS: Hold<'_> = Hold::Life { deed: "kills", state: "dead" };
/// Why turmoil cannot.
pub(crate) const KILLS_AT_A_POINT: &str = "turmoil 0.7 kills a process between two ticks, not at a point of its life";

/// Reads `point`.
pub(crate) fn read_point(section: &mut Section<'_>) -> Option<Option<Point>> {
    let point = section.optional("point", None, |entry| {
        let text = entry.text(POINT_FORM)?;
        let point = parse_point(text).ok_or_else(|| {
            let problem = entry.problem(format!("`{}`: `{text}` is not a point of a process's life", entry.key()));
            problem.label("not a point").advice(format!("write {POINT_FORM}, counted from 1 to {EVENT_MAX}"))
        });
        point.map(Some)
    });
    Some(point?.value)
}

/// Who can come to that point: who has no disk never writes to it.
pub(crate) fn mortals(point: Option<Point>) -> Reach {
    match point.map(|point| point.landmark) {
        Some(Landmark::DurableWrite) => WITH_DISK,
        Some(Landmark::Frame) | None => EVERYBODY,
    }
}

fn parse_point(text: &str) -> Option<Point> {
    let mut words = text.split_whitespace();
    let moment = match words.next()? {
        "before" => Moment::Before,
        "after" => Moment::After,
        _ => return None,
    };
    let landmark = match words.next()? {
        "durable-write" => Landmark::DurableWrite,
        "frame" => Landmark::Frame,
        _ => return None,
    };
    let nth = words.next()?.parse().ok().filter(|nth| (1..=EVENT_MAX).contains(nth))?;
    words.next().is_none().then_some(Point { landmark, nth, moment })
}

fn spell_point(point: Point) -> String {
    let moment = match point.moment {
        Moment::Before => "before",
        Moment::After => "after",
    };
    let landmark = match point.landmark {
        Landmark::DurableWrite => "durable-write",
        Landmark::Frame => "frame",
    };
    format!("{moment} {landmark} {}", point.nth)
}

/// Draws a point that the hosts come to soon, in one case of two: who has no disk never writes to it.
pub(crate) fn draw_point(draw: &mut Draw<'_>, on: &Hosts) -> Option<Point> {
    if !draw.coin() {
        return None;
    }
    let stores = |host: &HostName| draw.cast.find(host).is_some_and(|member| member.abilities.stores);
    let writes = on.iter().all(stores) && draw.coin();
    let landmark = if writes { Landmark::DurableWrite } else { Landmark::Frame };
    let moment = if draw.coin() { Moment::Before } else { Moment::After };
    Some(Point { landmark, nth: draw.number(1, 20), moment })
}

/// The key of the point at which it dies.
pub(crate) fn keys(point: Option<Point>) -> Vec<Key> {
    point.map(|point| ("point", spell_point(point).into())).into_iter().collect()
}

/// The point in a sentence, after a blank.
pub(crate) fn at(point: Option<Point>) -> String {
    point.map(|point| format!(" {}", spell_point(point).replace("durable-write", "durable write"))).unwrap_or_default()
}
