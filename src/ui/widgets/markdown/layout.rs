//! The blocks of a text as rows.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use ratatui::style::Modifier;

use super::flow::Flow;
use super::piece::{Format, Look, Mark, Piece, Row};
use super::table::Table;
use crate::ui::theme::Meaning;
use crate::ui::widgets::text;

/// Lay out the text from a block at the top level on; gives where the last such block begins that is sure to be one: what
/// begins in the last line may turn out to belong to the block before, as soon as more of that line is there.
pub(super) fn blocks(source: &str, from: usize, format: Format, rows: &mut Vec<Row>) -> Mark {
    // Formulas stay as they are written: as plain text they would lose their backslashes and underscores.
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_MATH;
    let mut last = Mark { byte: from, row: rows.len() };
    let mut layout = Layout::new(source, format, rows);
    let mut depth = 0_usize;
    for (event, range) in Parser::new_ext(source.get(from..).unwrap_or_default(), options).into_offset_iter() {
        let start = from + range.start;
        if depth == 0 {
            // What makes an indented block one stands before its text.
            let line = source.get(..start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
            let mark = Mark { byte: line.max(from), row: layout.rows.len() };
            // A table is one by its second line.
            let n_lines = if matches!(event, Event::Start(Tag::Table(_))) { 2 } else { 1 };
            if source.get(mark.byte..).is_some_and(|rest| rest.matches('\n').nth(n_lines - 1).is_some()) {
                last = mark;
            }
        }
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        layout.event(event, start);
    }
    layout.end_line();
    last
}

/// Columns of a tab at the beginning of a line.
const TAB: usize = 4;

/// What stands before the rows of a block.
struct Lead {
    /// Before its first row, once.
    first: Option<Piece>,
    rest: Piece,
}

struct Layout<'a> {
    source: &'a str,
    format: Format,
    rows: &'a mut Vec<Row>,
    leads: Vec<Lead>,
    /// The line that is being put together.
    line: Flow,
    looks: Vec<Look>,
    /// Where open links lead to, and where their texts begin in the line.
    links: Vec<(String, usize)>,
    table: Option<Table>,
    code: Option<String>,
    /// Where the line of the source begins before which a blank row was put last.
    blank_before: usize,
}

impl<'a> Layout<'a> {
    fn new(source: &'a str, format: Format, rows: &'a mut Vec<Row>) -> Self {
        Self {
            source,
            format,
            rows,
            leads: Vec::new(),
            line: Flow::default(),
            looks: Vec::new(),
            links: Vec::new(),
            table: None,
            code: None,
            blank_before: 0,
        }
    }

    fn event(&mut self, event: Event<'_>, start: usize) {
        match event {
            Event::Start(tag) => self.start(tag, start),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&text),
                None => self.text(&text),
            },
            Event::Code(text) => self.line.push(&text, Look { meaning: Meaning::Key, ..self.look() }),
            Event::InlineMath(text) => self.text(&format!("${text}$")),
            Event::DisplayMath(text) => self.lines(&format!("$${text}$$")),
            Event::InlineHtml(tag) if is_break(&tag) && self.table.is_none() => self.end_line(),
            Event::InlineHtml(tag) if is_break(&tag) => self.text(" "),
            Event::Html(text) | Event::InlineHtml(text) => self.lines(&text),
            // A line of a model's answer ends where it ended it.
            Event::SoftBreak | Event::HardBreak => {
                self.end_line();
                self.indent(start);
            }
            Event::Rule => {
                self.blank(start);
                let glyph = if self.format.ascii { "-" } else { "─" };
                let line = Piece { text: glyph.repeat(self.room()), look: Look::of(Meaning::Border) };
                self.row(vec![line]);
            }
            Event::TaskListMarker(is_done) => {
                let mark = match (self.format.ascii, is_done) {
                    (true, true) => "[x] ",
                    (true, false) => "[ ] ",
                    (false, true) => "☑ ",
                    (false, false) => "☐ ",
                };
                self.text(mark);
            }
            Event::FootnoteReference(name) => self.text(&format!("[{name}]")),
        }
    }

    fn start(&mut self, tag: Tag<'_>, start: usize) {
        match tag {
            Tag::Paragraph | Tag::HtmlBlock | Tag::List(_) => {
                self.end_line();
                self.blank(start);
            }
            Tag::Heading { .. } => {
                self.end_line();
                self.blank(start);
                self.looks.push(Look { meaning: Meaning::Accent, modifier: Modifier::BOLD });
            }
            Tag::BlockQuote(_) => {
                self.end_line();
                self.blank(start);
                let bar = if self.format.ascii { "| " } else { "│ " };
                self.lead(None, bar.to_owned(), Meaning::Border);
                self.looks.push(Look::of(Meaning::Muted));
            }
            Tag::CodeBlock(_) => {
                self.end_line();
                self.blank(start);
                self.code = Some(String::new());
            }
            Tag::Item => {
                self.end_line();
                self.blank(start);
                let mark = self.item_mark(start);
                let rest = " ".repeat(text::width(&mark));
                self.lead(Some(mark), rest, Meaning::Accent);
            }
            Tag::Table(alignments) => {
                self.end_line();
                self.blank(start);
                self.table = Some(Table { alignments, rows: Vec::new() });
            }
            Tag::TableHead => {
                self.new_table_row();
                self.looks.push(Look { modifier: Modifier::BOLD, ..self.look() });
            }
            Tag::TableRow => self.new_table_row(),
            Tag::Emphasis => self.modified(Modifier::ITALIC),
            Tag::Strong => self.modified(Modifier::BOLD),
            Tag::Strikethrough => self.modified(Modifier::CROSSED_OUT),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.links.push((dest_url.into_string(), self.line.text().len()));
                self.modified(Modifier::UNDERLINED);
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::List(_) => self.end_line(),
            TagEnd::Heading(_) => {
                self.end_line();
                self.looks.pop();
            }
            TagEnd::BlockQuote(_) => {
                self.end_line();
                self.looks.pop();
                self.leads.pop();
            }
            TagEnd::Item => {
                self.end_line();
                // One without a text.
                if self.leads.last().is_some_and(|lead| lead.first.is_some()) {
                    self.row(Vec::new());
                }
                self.leads.pop();
            }
            TagEnd::CodeBlock => self.end_code(),
            TagEnd::TableCell => {
                let cell = std::mem::take(&mut self.line);
                if let Some(table) = &mut self.table {
                    table.add_cell(cell);
                }
            }
            TagEnd::Table => {
                let format = Format { columns: self.room(), ..self.format };
                for row in self.table.take().map(|table| table.lay_out(format)).unwrap_or_default() {
                    self.row(row);
                }
            }
            TagEnd::TableHead | TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough => {
                self.looks.pop();
            }
            TagEnd::Link | TagEnd::Image => self.end_link(),
            _ => {}
        }
    }

    fn look(&self) -> Look {
        self.looks.last().copied().unwrap_or(Look::of(Meaning::Text))
    }

    fn modified(&mut self, modifier: Modifier) {
        let look = self.look();
        self.looks.push(Look { modifier: look.modifier | modifier, ..look });
    }

    fn text(&mut self, text: &str) {
        let look = self.look();
        self.line.push(text, look);
    }

    /// Text whose line ends are kept.
    fn lines(&mut self, text: &str) {
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 && self.table.is_none() {
                self.end_line();
            }
            self.text(line);
        }
    }

    fn new_table_row(&mut self) {
        if let Some(table) = &mut self.table {
            table.rows.push(Vec::new());
        }
    }

    /// A link tells where it leads, unless its text does.
    fn end_link(&mut self) {
        self.looks.pop();
        let Some((target, from)) = self.links.pop() else { return };
        let is_told =
            self.line.text().get(from..).is_some_and(|text| target.strip_prefix("mailto:").unwrap_or(&target) == text);
        if !target.is_empty() && !is_told {
            self.line.push(&format!(" ({target})"), Look::of(Meaning::Muted));
        }
    }

    fn end_code(&mut self) {
        let code = self.code.take().unwrap_or_default();
        let clean = text::clean_block(code.strip_suffix('\n').unwrap_or(&code));
        let mark = if self.format.ascii { "| " } else { "▏ " };
        let room = self.room().saturating_sub(text::width(mark)).max(1);
        for line in clean.split('\n') {
            for range in text::wrap(line, room) {
                let piece = line.get(range).unwrap_or_default().to_owned();
                let mark = Piece { text: mark.to_owned(), look: Look::of(Meaning::Border) };
                self.row(vec![mark, Piece { text: piece, look: Look::of(Meaning::Key) }]);
            }
        }
    }

    /// What stands before an item: its number as it is written, so that it is the same whatever came before it.
    fn item_mark(&self, start: usize) -> String {
        let item = self.source.get(start..).unwrap_or_default().trim_start();
        let digits = item.bytes().take_while(u8::is_ascii_digit).count();
        match (item.get(..digits), self.format.ascii) {
            (Some(number), _) if digits > 0 => format!("{number}. "),
            (_, true) => "- ".to_owned(),
            (_, false) => "• ".to_owned(),
        }
    }

    /// Let rows begin with this, unless that leaves them too little room.
    fn lead(&mut self, first: Option<String>, rest: String, meaning: Meaning) {
        let has_room = 2 * (self.leads_width() + text::width(&rest)) <= self.format.columns;
        let piece = |text: String| Piece { text, look: Look::of(meaning) };
        self.leads.push(if has_room {
            Lead { first: first.map(piece), rest: piece(rest) }
        } else {
            Lead { first: None, rest: piece(String::new()) }
        });
    }

    fn leads_width(&self) -> usize {
        self.leads.iter().map(|lead| text::width(&lead.rest.text)).sum()
    }

    /// Columns that a row has behind what it begins with.
    fn room(&self) -> usize {
        self.format.columns.saturating_sub(self.leads_width()).max(1)
    }

    fn row(&mut self, content: Row) {
        let mut row: Row =
            self.leads.iter_mut().map(|lead| lead.first.take().unwrap_or_else(|| lead.rest.clone())).collect();
        row.retain(|piece| !piece.text.is_empty());
        row.extend(content);
        self.rows.push(row);
    }

    fn end_line(&mut self) {
        if self.line.is_empty() || self.table.is_some() {
            return;
        }
        for row in std::mem::take(&mut self.line).rows(self.room()) {
            self.row(row);
        }
    }

    /// Begin a line as the source does after this break. Small models write code without fences, which Markdown would put
    /// flush left.
    fn indent(&mut self, start: usize) {
        // Inside a block the blanks are its own.
        if !self.leads.is_empty() || self.table.is_some() {
            return;
        }
        let rest = self.source.get(start..).and_then(|rest| rest.split_once('\n')).map_or("", |(_, line)| line);
        let blanks = rest.chars().take_while(|c| matches!(c, ' ' | '\t'));
        let columns: usize = blanks.map(|blank| if blank == '\t' { TAB } else { 1 }).sum();
        if columns > 0 {
            self.line.push(&" ".repeat(columns.min(self.room() / 2)), self.look());
        }
    }

    /// A blank row where the source has one before the block that begins here.
    fn blank(&mut self, start: usize) {
        let is_blank = |line: &str| line.chars().all(|c| c.is_whitespace() || c == '>');
        let before = self.source.get(..start).unwrap_or_default();
        let Some((above, line)) = before.rsplit_once('\n') else { return };
        let line_start = above.len() + 1;
        let follows_blank = is_blank(above.rsplit('\n').next().unwrap_or_default());
        // Behind a mark of a list nothing is blank, and one row does for all blocks that begin in a line.
        if !is_blank(line) || !follows_blank || self.rows.is_empty() || self.blank_before == line_start {
            return;
        }
        self.blank_before = line_start;
        let mut row: Row = self.leads.iter().map(|lead| lead.rest.clone()).collect();
        while row.last().is_some_and(|piece| piece.text.trim().is_empty()) {
            row.pop();
        }
        self.rows.push(row);
    }
}

fn is_break(tag: &str) -> bool {
    matches!(tag.to_ascii_lowercase().as_str(), "<br>" | "<br/>" | "<br />")
}
