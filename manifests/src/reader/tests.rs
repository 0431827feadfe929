use super::{Reader, Watch};
use saphyr_parser::Parser;

#[path = "../../tests/worst/texts.rs"]
mod texts;

/// However bad a text is, each character of it is looked at once, with a bounded number of spaces before it.
#[test]
fn steps_are_linear() {
    for (name, text) in texts::FAMILIES {
        let text = text(200_000);
        let watch = Watch::default();
        let events = Parser::new(Reader::new(&text, &watch)).take_while(Result::is_ok).count();
        let steps = watch.steps.get();
        assert!(steps <= 9 * text.len() + 100, "{name}: {steps} steps for {} bytes", text.len());
        assert!(events <= 2 * text.len() + 100, "{name}: {events} events for {} bytes", text.len());
    }
}
