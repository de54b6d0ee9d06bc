//! The browser in the terminal, drawn without one.

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use trail::check::Policy;
use trail::config::Config;
use trail::stitch::tasks;
use trail::store::Store;
use trail::tell::{Browser, Key, Wish};

use crate::Case;

fn picture(terminal: &Terminal<TestBackend>) -> String {
    let buffer = terminal.backend().buffer();
    let width = usize::from(buffer.area.width);
    let cells: Vec<&str> = buffer
        .content
        .iter()
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    cells
        .chunks(width)
        .map(|row| row.concat().trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn tasks_events_and_texts_are_browsed() {
    let case = Case::demo();
    let store = Store::open(&case.path("store")).unwrap();
    let index = tasks(&store, &Config::default()).unwrap();
    let policy = Policy::baseline().unwrap();
    let shown = case.json(&["timeline", "--invoice", "4711", "--format", "json"]);
    let of_agent = shown["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["by_agent"] == true);
    let id = of_agent.unwrap()["id"].as_str().unwrap();
    let wanted = index.by_prefix(id)[0];
    for (width, height) in [(80, 24), (200, 50)] {
        let mut browser = Browser::new(&store, &index, &policy, vec![wanted, 0]);
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut draw = |browser: &mut Browser<'_>| {
            browser.read().unwrap();
            terminal.draw(|frame| browser.draw(frame)).unwrap();
            picture(&terminal)
        };
        let first = draw(&mut browser);
        assert!(
            first.contains("2 tasks") && first.contains("policy decision: guardrail"),
            "{first}"
        );
        assert!(
            first
                .lines()
                .all(|line| line.chars().count() <= usize::from(width)),
            "{first}"
        );
        browser.press(Key::Next).unwrap();
        browser.press(Key::Down).unwrap();
        let second = draw(&mut browser);
        assert!(
            second.contains("request: prompt") && second.contains("actor: "),
            "{second}"
        );
        assert!(second.contains("why here: "), "{second}");
        // Texts are asked for, so that the look is written down before they are read.
        let Wish::Texts(place) = browser.press(Key::Texts).unwrap() else {
            panic!("no wish for texts");
        };
        assert!(!draw(&mut browser).contains("Please correct"));
        browser.show_texts(place).unwrap();
        let texts = draw(&mut browser);
        assert!(texts.contains("prompt: Please correct invoice"), "{texts}");
        browser.press(Key::Links).unwrap();
        assert!(!draw(&mut browser).contains("Please correct"));
        browser.press(Key::Back).unwrap();
        browser.press(Key::PageDown).unwrap();
        browser.press(Key::PageDown).unwrap();
        let other = draw(&mut browser);
        assert_ne!(first, other);
        assert_eq!(browser.press(Key::Quit).unwrap(), Wish::Quit);
    }
}

#[test]
fn without_a_terminal_it_says_so() {
    let case = Case::demo();
    let output = case
        .trail()
        .args(["tui", "--key", "invoice=4711"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("for a terminal"));
    let none = case
        .trail()
        .args(["tui", "--key", "invoice=99999999"])
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&none.stdout).contains("no task matches"));
}
