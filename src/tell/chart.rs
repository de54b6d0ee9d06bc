//! Charts as SVG, beside a Markdown report. Every text of a log is escaped.

use std::collections::BTreeMap;

/// Colours that are told apart without colour vision too (Okabe and Ito).
const COLOURS: [&str; 8] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442", "#000000",
];
const WIDTH: usize = 760;
const HEIGHT: usize = 220;
const LEFT: usize = 48;
const TOP: usize = 28;

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in super::safe::terminal(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

/// Stacked bars: for each place on the axis a number of each series.
#[must_use]
pub fn stacked_bars(title: &str, bars: &[(String, BTreeMap<String, u64>)]) -> String {
    let mut series: Vec<&String> = Vec::new();
    for name in bars.iter().flat_map(|(_, values)| values.keys()) {
        if !series.contains(&name) {
            series.push(name);
        }
    }
    series.sort();
    let legend = TOP + HEIGHT + 40;
    let rows = series.len().div_ceil(4).max(1);
    let whole = legend + rows * 18 + 8;
    let highest = bars
        .iter()
        .map(|(_, values)| values.values().sum::<u64>())
        .max()
        .unwrap_or(0)
        .max(1);
    let room = WIDTH - LEFT - 8;
    let step = room as f64 / bars.len().max(1) as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {whole}\" role=\"img\" font-family=\"sans-serif\" font-size=\"12\">\n<title>{0}</title>\n<text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">{0}</text>\n",
        escaped(title)
    );
    for (y, value) in [(TOP, highest), (TOP + HEIGHT, 0)] {
        out.push_str(&format!(
            "<line x1=\"{LEFT}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"#999\"/>\n<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{value}</text>\n",
            WIDTH - 8,
            LEFT - 6,
            y + 4
        ));
    }
    // Labels that would stand on each other are left out.
    let every = bars.len().div_ceil(12).max(1);
    for (at, (name, values)) in bars.iter().enumerate() {
        let x = LEFT as f64 + step * at as f64;
        let mut y = (TOP + HEIGHT) as f64;
        for (number, one) in series.iter().enumerate() {
            let Some(value) = values.get(*one).filter(|value| **value > 0) else {
                continue;
            };
            let height = *value as f64 / highest as f64 * HEIGHT as f64;
            y -= height;
            out.push_str(&format!(
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\" fill=\"{}\"><title>{}, {}: {value}</title></rect>\n",
                (step * 0.86).max(0.5),
                COLOURS[number % COLOURS.len()],
                escaped(name),
                escaped(one)
            ));
        }
        if at % every == 0 {
            out.push_str(&format!(
                "<text x=\"{x:.1}\" y=\"{}\">{}</text>\n",
                TOP + HEIGHT + 16,
                escaped(name)
            ));
        }
    }
    for (number, name) in series.iter().enumerate() {
        let (x, y) = (LEFT + number % 4 * 175, legend + number / 4 * 18);
        out.push_str(&format!(
            "<rect x=\"{x}\" y=\"{}\" width=\"11\" height=\"11\" fill=\"{}\"/><text x=\"{}\" y=\"{y}\">{}</text>\n",
            y - 10,
            COLOURS[number % COLOURS.len()],
            x + 16,
            escaped(&super::safe::cut(name, 22))
        ));
    }
    out.push_str("</svg>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stand_on_each_other_and_texts_are_escaped() {
        let bars = vec![
            (
                "07:00".to_owned(),
                BTreeMap::from([("a<b".to_owned(), 3), ("c".to_owned(), 1)]),
            ),
            ("08:00".to_owned(), BTreeMap::from([("c".to_owned(), 2)])),
        ];
        let svg = stacked_bars("x & y", &bars);
        assert!(
            svg.contains("<title>x &amp; y</title>") && svg.contains("07:00, a&lt;b: 3"),
            "{svg}"
        );
        assert!(!svg.contains("a<b"));
        assert_eq!(svg.matches("<rect").count(), 3 + 2);
        // The highest bar fills the room: 3 of 4 and 1 of 4 of it.
        assert!(
            svg.contains("height=\"165.0\"") && svg.contains("height=\"55.0\""),
            "{svg}"
        );
        assert!(stacked_bars("empty", &[]).ends_with("</svg>\n"));
    }
}
