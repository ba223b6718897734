//! Aligned columns without borders.
//!
//! Must not import anything from the crate but its sibling style. Cells arrive escaped.

use std::io::{self, Write};
use std::iter::repeat_n;

use comfy_table::{CellAlignment, ContentArrangement, Table as Grid, presets};
use unicode_width::UnicodeWidthStr as _;

use crate::render::style::Style;

/// From this many rows on the columns are aligned here: a grid makes some ten strings of each cell, which for all
/// services of a large node takes as long as to find out about them.
const LONG: usize = 512;
/// Between two columns.
const GAP: u16 = 2;

/// A table that is never wrapped nor cut, however narrow the terminal is.
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns of numbers.
    numbers: Vec<usize>,
}

impl Table {
    /// A table with these headings.
    pub fn new(headings: &[&str]) -> Self {
        let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
        Self { headings, rows: Vec::new(), numbers: Vec::new() }
    }

    /// Aligns a column of numbers to the right.
    pub fn numbers(&mut self, column: usize) {
        self.numbers.push(column);
    }

    /// Adds a row. Only its last cell may be coloured: the others' width is counted.
    pub fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Writes it, the headings strong, without blanks at the ends of lines.
    pub fn write(&self, style: Style, out: &mut dyn Write) -> io::Result<()> {
        let mut is_first = true;
        let mut line = |line: &str| {
            let line = line.trim_end();
            if std::mem::take(&mut is_first) {
                writeln!(out, "{}", style.strong(line))
            } else {
                writeln!(out, "{line}")
            }
        };
        if self.rows.len() < LONG {
            self.grid().lines().try_for_each(|text| line(&text))
        } else {
            self.columns(&mut line)
        }
    }

    fn grid(&self) -> Grid {
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        grid.set_header(self.headings.clone());
        grid.add_rows(self.rows.iter().cloned());
        for (at, column) in grid.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            if self.numbers.contains(&at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        grid
    }

    /// The same lines, one after the other.
    fn columns(&self, write: &mut dyn FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let mut widths: Vec<usize> = Vec::new();
        for row in self.every_row() {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let mut line = String::new();
        for row in self.every_row() {
            line.clear();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let blank = repeat_n(' ', width.saturating_sub(cell.width()));
                if self.numbers.contains(&at) {
                    line.extend(blank);
                    line.push_str(cell);
                } else {
                    line.push_str(cell);
                    line.extend(blank);
                }
                line.extend(repeat_n(' ', GAP.into()));
            }
            write(&line)?;
        }
        Ok(())
    }

    fn every_row(&self) -> impl Iterator<Item = &Vec<String>> {
        std::iter::once(&self.headings).chain(&self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["A", "LONG HEADING", "N", "LAST"]);
        table.numbers(2);
        table.row(vec!["–".into(), "x".repeat(300), "7".into(), Style { color: true, wide: false }.bad("no")]);
        table.row(vec!["näh".into(), String::new(), "12".into(), "ok".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_by_width_on_the_screen_and_nothing_is_cut() {
        let mut out = Vec::new();
        table().write(Style::PLAIN, &mut out).unwrap();
        let expected = format!(
            "A    LONG HEADING{blank}   N  LAST\n–    {long}   7  \x1b[31mno\x1b[0m\nnäh  {pad}  12  ok\n",
            blank = " ".repeat(288),
            long = "x".repeat(300),
            pad = " ".repeat(300),
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_long_table_looks_as_a_short_one_does() {
        let mut table = table();
        for (at, text) in ["日本語", "e\u{301}", "🦀 crab", "", "a b"].into_iter().cycle().enumerate().take(LONG) {
            table.row(vec![text.into(), at.to_string(), at.to_string(), text.repeat(at % 7)]);
        }
        let mut own = String::new();
        table
            .columns(&mut |line| {
                own.push_str(line.trim_end());
                own.push('\n');
                Ok(())
            })
            .unwrap();
        let grid: String = table.grid().lines().map(|line| line.trim_end().to_owned() + "\n").collect();
        assert_eq!(own, grid);
        let mut written = Vec::new();
        table.write(Style::PLAIN, &mut written).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), grid);
    }
}
