//! A plot as plain SVG: lines over two logarithmic axes.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 580.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 410.0;
/// Told apart in grey as well, by their dashes.
const STYLES: [(&str, &str); 7] = [
    ("#0b57d0", ""),
    ("#0b57d0", "6 3"),
    ("#0b57d0", "2 3"),
    ("#777777", "6 3"),
    ("#777777", ""),
    ("#b3261e", ""),
    ("#146c2e", ""),
];

/// `series`: name and points, all greater than zero; y in nanoseconds.
pub(super) fn log_log(title: &str, x_name: &str, y_name: &str, series: &[(&str, Vec<(f64, f64)>)]) -> String {
    let points = || series.iter().flat_map(|(_, points)| points);
    let (x0, x1) = decades(points().map(|point| point.0));
    let (y0, y1) = decades(points().map(|point| point.1));
    let x = |value: f64| LEFT + (value.log10() - x0) / (x1 - x0) * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - (value.log10() - y0) / (y1 - y0) * (BOTTOM - TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\">\n<title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" \
         fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"22\" font-size=\"15\">{title}</text>\n"
    );
    let mut at = x0;
    while at <= x1 {
        let place = x(10_f64.powf(at));
        let _ = writeln!(
            svg,
            "<line x1=\"{place:.1}\" y1=\"{TOP}\" x2=\"{place:.1}\" y2=\"{BOTTOM}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0}</text>",
            BOTTOM + 18.0,
            10_f64.powf(at)
        );
        at += 1.0;
    }
    let mut at = y0;
    while at <= y1 {
        let place = y(10_f64.powf(at));
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{place:.1}\" x2=\"{RIGHT}\" y2=\"{place:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            place + 4.0,
            duration(at)
        );
        at += 1.0;
    }
    let middle = f64::midpoint(LEFT, RIGHT);
    let _ = writeln!(
        svg,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{x_name}</text>\n\
         <text x=\"16\" y=\"{}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {})\">{y_name}</text>",
        HEIGHT - 10.0,
        f64::midpoint(TOP, BOTTOM),
        f64::midpoint(TOP, BOTTOM)
    );
    // Names beside the lines' ends, moved apart where they would cover each other.
    let mut ends: Vec<(f64, usize)> = series
        .iter()
        .enumerate()
        .filter_map(|(number, (_, points))| Some((y(points.last()?.1), number)))
        .collect();
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP;
    for (place, number) in ends {
        let Some((name, points)) = series.get(number) else { continue };
        let (colour, dashes) = STYLES.get(number % STYLES.len()).copied().unwrap_or(("black", ""));
        let line: Vec<String> =
            points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let label = place.max(free);
        free = label + 15.0;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dashes}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            line.join(" "),
            RIGHT + 8.0,
            label + 4.0
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// The powers of ten around all values.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (least, most) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| {
        (least.min(value.log10().floor()), most.max(value.log10().ceil()))
    });
    if least < most { (least, most) } else { (0.0, 1.0) }
}

/// 10^`power` nanoseconds.
fn duration(power: f64) -> String {
    let nanoseconds = 10_f64.powf(power);
    if nanoseconds < 1e3 {
        format!("{nanoseconds:.0} ns")
    } else if nanoseconds < 1e6 {
        format!("{:.0} µs", nanoseconds / 1e3)
    } else {
        format!("{:.0} ms", nanoseconds / 1e6)
    }
}
