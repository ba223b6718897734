//! Aligned columns without borders.
//!
//! Must not import anything from the crate but its sibling style. Cells arrive escaped.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};

use crate::render::style::Style;

/// A table that is never wrapped nor cut, however narrow the terminal is.
pub struct Table {
    grid: Grid,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(headings.to_vec());
        for column in grid.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self { grid }
    }

    /// Aligns a column of numbers to the right.
    pub fn numbers(&mut self, column: usize) {
        if let Some(column) = self.grid.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }

    /// Adds a row. Only its last cell may be coloured: the others' width is counted.
    pub fn row(&mut self, cells: Vec<String>) {
        self.grid.add_row(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.grid.is_empty()
    }

    /// Writes it, the headings strong, without blanks at the ends of lines.
    pub fn write(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        for (at, line) in self.grid.lines().enumerate() {
            let line = line.trim_end();
            if at == 0 {
                writeln!(out, "{}", style.strong(line))?;
            } else {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_width_on_the_screen_and_nothing_is_cut() {
        let mut table = Table::new(&["A", "LONG HEADING", "N", "LAST"]);
        table.numbers(2);
        table.row(vec!["–".into(), "x".repeat(300), "7".into(), Style { color: true, wide: false }.bad("no")]);
        table.row(vec!["näh".into(), String::new(), "12".into(), "ok".into()]);
        let mut out = Vec::new();
        table.write(Style::PLAIN, &mut out).unwrap();
        let expected = format!(
            "A    LONG HEADING{blank}   N  LAST\n–    {long}   7  \x1b[31mno\x1b[0m\nnäh  {pad}  12  ok\n",
            blank = " ".repeat(288),
            long = "x".repeat(300),
            pad = " ".repeat(300),
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
