//! Owns the writing of HTML and SVG: every text and every attribute goes through here and is escaped.

use std::fmt::{self, Display, Write};

/// A growing piece of markup.
#[derive(Debug, Default)]
pub(super) struct Markup(String);

/// Names and values of attributes.
pub(super) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

impl Markup {
    /// An element to be closed later.
    pub(super) fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        self.0.push('<');
        self.0.push_str(name);
        for (name, value) in attributes {
            // Writing to a String cannot fail.
            let _ = write!(self.0, " {name}=\"");
            let _ = write!(Escaped(&mut self.0), "{value}");
            self.0.push('"');
        }
        self.0.push('>');
    }

    /// The end of an element.
    pub(super) fn close(&mut self, name: &str) {
        let _ = write!(self.0, "</{name}>");
    }

    /// An element with a text in it.
    pub(super) fn element(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close(name);
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        let _ = Escaped(&mut self.0).write_str(text);
    }

    /// A new line in the source, for those who read it.
    pub(super) fn line(&mut self) {
        self.0.push('\n');
    }

    /// Markup of the program's own, as it is.
    pub(super) fn verbatim(&mut self, markup: &'static str) {
        self.0.push_str(markup);
    }

    /// Markup that another of these wrote.
    pub(super) fn append(&mut self, other: Self) {
        self.0.push_str(&other.0);
    }

    /// All of it.
    pub(super) fn finish(self) -> String {
        self.0
    }
}

struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                // Control characters are no part of HTML, and a file of counts may hold them.
                c if c.is_control() && c != '\n' => self.0.push(' '),
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// A coordinate, to a tenth.
#[derive(Debug, Clone, Copy)]
pub(super) struct At(pub f64);

impl Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        let (whole, rest) = (tenths.abs() / 10, tenths.abs() % 10);
        if rest == 0 {
            write!(f, "{sign}{whole}")
        } else {
            write!(f, "{sign}{whole}.{rest}")
        }
    }
}

/// The `d` of a path.
#[derive(Debug, Default)]
pub(super) struct Path(String);

impl Path {
    /// Lifts the pen.
    pub(super) fn to(&mut self, x: f64, y: f64) {
        let _ = write!(self.0, "M{} {}", At(x), At(y));
    }

    /// Draws a straight line.
    pub(super) fn line(&mut self, x: f64, y: f64) {
        let _ = write!(self.0, "L{} {}", At(x), At(y));
    }

    /// Draws level.
    pub(super) fn across(&mut self, x: f64) {
        let _ = write!(self.0, "H{}", At(x));
    }

    /// A dot, where the ends of lines are round.
    pub(super) fn dot(&mut self, x: f64, y: f64) {
        self.to(x, y);
        self.across(x);
    }

    /// Draws upright.
    pub(super) fn upright(&mut self, y: f64) {
        let _ = write!(self.0, "V{}", At(y));
    }

    /// Goes back to where the pen was set down.
    pub(super) fn back(&mut self) {
        self.0.push('Z');
    }

    /// Whether nothing was drawn.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped() {
        let mut markup = Markup::default();
        markup.element("p", &[("title", &"\"a\" & 'b'")], "<b>\u{1}");
        assert_eq!(
            markup.finish(),
            "<p title=\"&quot;a&quot; &amp; &#39;b&#39;\">&lt;b&gt; </p>"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let shown: Vec<String> = [0.0, 12.04, -0.04, 3.96, -1.25]
            .map(|v| At(v).to_string())
            .into();
        assert_eq!(shown, ["0", "12", "0", "4", "-1.3"]);
    }
}
