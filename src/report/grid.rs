//! A grid as a table, as CSV (RFC 4180), and as a plot (SVG).
//!
//! Refuses to know how it was measured.

use std::fmt::Write;
use std::time::Duration;

use crate::campaign::GridPoint;
use crate::grammar::Readable;
use crate::report::csv::field;
use crate::report::harmless::html;

/// `write!` into a string.
const INFALLIBLE: &str = "a string takes all";

/// The table, for people: a point a line, those that no other beats with a star.
#[must_use]
pub fn grid(points: &[GridPoint]) -> String {
    let mut text = String::new();
    let keys = keys(points);
    for (number, key) in keys.iter().enumerate() {
        writeln!(text, "{} {key}", column(number)).expect(INFALLIBLE);
    }
    let rows: Vec<Vec<String>> = points.iter().map(values).collect();
    let widths: Vec<usize> =
        (0..keys.len()).map(|at| rows.iter().map(|row| row[at].len()).max().unwrap_or(0).max(1)).collect();
    let blank = " ".repeat(widths.iter().map(|width| width + 2).sum());
    let heads = (0..keys.len()).map(|at| format!("{:width$}  ", column(at), width = widths[at])).collect::<String>();
    writeln!(text, "\n{blank}    noticed after      each hour of a client       replayed").expect(INFALLIBLE);
    writeln!(text, "{heads}     p50     p99   false reconn.  Pings  PINGs  each time  bad").expect(INFALLIBLE);
    for (point, row) in points.iter().zip(rows) {
        let measures = &point.measures;
        let hourly = |number| rate(measures.per_client_hour(number));
        let cells = row.iter().zip(&widths).map(|(value, width)| format!("{value:width$}  ")).collect::<String>();
        let star = if point.is_best { "*" } else { " " };
        writeln!(
            text,
            "{cells}{star}{:>7} {:>7}  {:>6}  {:>6} {:>6} {:>6}  {:>9} {:>4}",
            delay(measures.detection(50)),
            delay(measures.detection(99)),
            hourly(measures.false_trips),
            hourly(measures.reconnects),
            hourly(measures.pings),
            hourly(measures.http2_pings),
            measures.replayed_per_reconnect().map_or_else(|| "-".to_owned(), rate),
            measures.bad
        )
        .expect(INFALLIBLE);
    }
    writeln!(text, "\n* no other point beats it: in p99, false trips, reconnects and Pings with PINGs")
        .expect(INFALLIBLE);
    text
}

/// What a column of settings is called: a letter, and behind z its number.
fn column(number: usize) -> String {
    u8::try_from(number)
        .ok()
        .filter(|number| *number < 26)
        .map_or_else(|| format!("({})", number + 1), |number| char::from(b'a' + number).to_string())
}

/// The keys that are set, in their order.
fn keys(points: &[GridPoint]) -> Vec<String> {
    let key = |setting: &String| setting.split_once('=').map_or_else(|| setting.clone(), |(key, _)| key.to_owned());
    points.first().map(|point| point.settings.iter().map(key).collect()).unwrap_or_default()
}

/// The values that a point has.
fn values(point: &GridPoint) -> Vec<String> {
    let value =
        |setting: &String| setting.split_once('=').map_or_else(|| setting.clone(), |(_, value)| value.to_owned());
    point.settings.iter().map(value).collect()
}

/// A delay in few letters.
fn delay(delay: Option<Duration>) -> String {
    let round = |delay: Duration| match delay.as_secs() {
        0 => delay,
        seconds => Duration::from_secs(seconds + u64::from(delay.subsec_millis() >= 500)),
    };
    delay.map_or_else(|| "never".to_owned(), |delay| Readable(round(delay)).to_string())
}

/// A rate in few letters.
fn rate(rate: f64) -> String {
    match rate {
        100.0.. => format!("{rate:.0}"),
        1.0.. => format!("{rate:.1}"),
        0.0 => "0".to_owned(),
        _ => format!("{rate:.2}"),
    }
}

/// The table for machines: seconds, and numbers for each hour of a client.
#[must_use]
pub fn grid_csv(points: &[GridPoint]) -> String {
    let mut text = "settings,best,trials,bad,detection_p50_s,detection_p99_s,false_trips_per_client_hour,\
                    reconnects_per_client_hour,pings_per_client_hour,http2_pings_per_client_hour,replayed_per_reconnect\r\n"
        .to_owned();
    for point in points {
        let measures = &point.measures;
        let seconds = |percent| measures.detection(percent).map(|delay| format!("{:.3}", delay.as_secs_f64()));
        let hourly = |number| format!("{:.4}", measures.per_client_hour(number));
        let line = [
            field(&point.settings.join(" ")),
            point.is_best.to_string(),
            measures.trials.to_string(),
            measures.bad.to_string(),
            seconds(50).unwrap_or_default(),
            seconds(99).unwrap_or_default(),
            hourly(measures.false_trips),
            hourly(measures.reconnects),
            hourly(measures.pings),
            hourly(measures.http2_pings),
            measures.replayed_per_reconnect().map(|replayed| format!("{replayed:.2}")).unwrap_or_default(),
        ];
        text += &line.join(",");
        text += "\r\n";
    }
    text
}

/// The size of the plot, and of its margins, in pixels.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 30.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// The plot: how soon a dead stream is noticed, against reconnects in each hour of a client, both by their logarithm. A point that no
/// other beats is filled.
#[must_use]
pub fn grid_svg(points: &[GridPoint], title: &str) -> String {
    let shown: Vec<(&GridPoint, f64, f64)> = points
        .iter()
        .filter_map(|point| {
            let seconds = point.measures.detection(99)?.as_secs_f64();
            Some((point, seconds.max(0.1), point.measures.per_client_hour(point.measures.reconnects).max(0.01)))
        })
        .collect();
    let across = Scale::of(shown.iter().map(|(_, x, _)| *x), LEFT, WIDTH - RIGHT);
    let up = Scale::of(shown.iter().map(|(_, _, y)| *y), HEIGHT - BOTTOM, TOP);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"system-ui, sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"15\" fill=\"#111\">{}</text>\n",
        html(title)
    );
    for (value, x) in across.ticks() {
        let (bottom, below) = (HEIGHT - BOTTOM, HEIGHT - BOTTOM + 18.0);
        writeln!(text, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{below}\" fill=\"#555\" text-anchor=\"middle\">{value} s</text>")
            .expect(INFALLIBLE);
    }
    for (value, y) in up.ticks() {
        let (right, beside, down) = (WIDTH - RIGHT, LEFT - 8.0, y + 4.0);
        writeln!(text, "<path d=\"M{LEFT} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{beside}\" y=\"{down:.1}\" fill=\"#555\" text-anchor=\"end\">{value}</text>")
            .expect(INFALLIBLE);
    }
    let (middle, low) = ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 16.0);
    writeln!(
        text,
        "<text x=\"{middle}\" y=\"{low}\" fill=\"#111\" text-anchor=\"middle\">a dead stream is noticed within (99 of 100)</text>\n\
         <text transform=\"translate(18 {}) rotate(-90)\" fill=\"#111\" text-anchor=\"middle\">reconnects in an hour of a client</text>",
        (TOP + HEIGHT - BOTTOM) / 2.0
    )
    .expect(INFALLIBLE);
    for (point, x, y) in shown {
        let (x, y, fill) = (across.at(x), up.at(y), if point.is_best { "#0b6e4f" } else { "#fff" });
        writeln!(
            text,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5\" fill=\"{fill}\" stroke=\"#0b6e4f\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" fill=\"#333\" font-size=\"10\">{}</text>",
            x + 8.0,
            y - 6.0,
            html(&values(point).join(" / "))
        )
        .expect(INFALLIBLE);
    }
    text + "</svg>\n"
}

/// An axis by logarithm, from one power of ten to another.
struct Scale {
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl Scale {
    fn of(values: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
        let most = values.fold(f64::NEG_INFINITY, f64::max).log10().ceil();
        let (least, most) = if least.is_finite() { (least, most.max(least + 1.0)) } else { (0.0, 1.0) };
        Scale { least, most, from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value.log10() - self.least) / (self.most - self.least) * (self.to - self.from)
    }

    /// Powers of ten, with twice and five times each.
    fn ticks(&self) -> Vec<(f64, f64)> {
        let powers = (0..=60).map(|step| self.least + f64::from(step)).take_while(|power| *power <= self.most);
        let values = powers.flat_map(|power| [1.0, 2.0, 5.0].map(|part| part * 10_f64.powf(power)));
        let inside = values.filter(|value| value.log10() <= self.most + 1e-9);
        inside.map(|value| ((value * 1e6).round() / 1e6, self.at(value))).collect()
    }
}
