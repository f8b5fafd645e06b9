//! A refusal as miette draws it: the lines of the text, with what is wrong under them.
//!
//! Refuses to know a terminal.

use std::fmt::Display;

use miette::{Diagnostic, LabeledSpan, MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::grammar::{Problem, Refusal};

impl Diagnostic for Refusal {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.problems().next().and_then(Diagnostic::help)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.problems().next().and_then(Diagnostic::labels)
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let mut rest = self.problems().skip(1).map(|problem| problem as &dyn Diagnostic).peekable();
        rest.peek().is_some().then(|| Box::new(rest) as _)
    }
}

impl SourceCode for Refusal {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text().read_span(span, lines_before, lines_after)?;
        let (line, column, lines) = (read.line(), read.column(), read.line_count());
        let name = format!("{}.toml", self.name());
        Ok(Box::new(MietteSpanContents::new_named(name, read.data(), *read.span(), line, column, lines)))
    }
}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        let advised = self.advised();
        (!advised.is_empty()).then(|| Box::new(advised) as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let labels = Problem::labels(self).iter();
        let labels = labels.map(|marked| LabeledSpan::new_with_span(Some(marked.label.clone()), marked.span.clone()));
        (!Problem::labels(self).is_empty()).then(|| Box::new(labels) as _)
    }
}
