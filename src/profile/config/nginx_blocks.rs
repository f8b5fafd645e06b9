//! The syntax of nginx: words, directives that end in `;`, blocks in braces, and what other files bring.
//!
//! Refuses to know any directive but `include`, and those whose block is a program.

use crate::profile::config::taking::{BadConfig, ConfigFiles, ConfigPlace, Taking};

/// nginx itself has five levels of blocks, or a few more with nested locations.
const DEPTH_MAX: usize = 32;
/// As many as a folder of sites has.
const INCLUDED_MAX: usize = 1_000;
/// A file that includes itself never ends.
const INCLUDED_DEPTH_MAX: usize = 16;
/// As many as a configuration of thousands of servers has.
const DIRECTIVES_MAX: usize = 200_000;

/// A directive, with its block if it has one.
#[derive(Clone, Debug)]
pub(crate) struct NginxDirective {
    pub(crate) place: ConfigPlace,
    pub(crate) words: Vec<String>,
    pub(crate) block: Option<Vec<NginxDirective>>,
}

impl NginxDirective {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Its words after the name.
    pub(crate) fn values(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// As it stands in the file, without its block.
    pub(crate) fn told(&self) -> String {
        self.words.join(" ")
    }
}

/// A piece of the text.
#[derive(Debug, PartialEq, Eq)]
enum NginxToken {
    Text(String),
    End,
    Opens,
    Closes,
}

/// Reads a configuration with all that it includes.
pub(crate) fn read_blocks(
    file: &str,
    text: &str,
    files: &dyn ConfigFiles,
    taking: &mut Taking,
) -> Result<Vec<NginxDirective>, BadConfig> {
    let mut reading = NginxReading { files, taking, included: 0, depth: 0, directives: 0 };
    reading.file(file, text)
}

struct NginxReading<'a> {
    files: &'a dyn ConfigFiles,
    taking: &'a mut Taking,
    /// How many files were included.
    included: usize,
    /// In how many files this one is included.
    depth: usize,
    directives: usize,
}

/// A block that is not closed yet: the directive that opened it, and what is in it so far.
struct OpenBlock {
    opened: NginxDirective,
    within: Vec<NginxDirective>,
}

impl NginxReading<'_> {
    fn file(&mut self, file: &str, text: &str) -> Result<Vec<NginxDirective>, BadConfig> {
        let mut letters = NginxLetters { rest: text, line: 1, file };
        let mut open: Vec<OpenBlock> = Vec::new();
        let mut top: Vec<NginxDirective> = Vec::new();
        let mut words: Vec<String> = Vec::new();
        let mut place = letters.place();
        while let Some((at, token)) = letters.token()? {
            if words.is_empty() {
                place = at.clone();
            }
            match token {
                NginxToken::Text(word) => words.push(word),
                NginxToken::End => {
                    let directive = self.directive(&place, std::mem::take(&mut words))?;
                    let added = self.expanded(directive)?;
                    open.last_mut().map_or(&mut top, |block| &mut block.within).extend(added);
                }
                NginxToken::Opens => {
                    let opened = self.directive(&place, std::mem::take(&mut words))?;
                    if open.len() >= DEPTH_MAX {
                        let advice = format!("at most {DEPTH_MAX} may be within each other");
                        return Err(BadConfig::new(&at, "a block is too deep", advice));
                    }
                    if opened.name().ends_with("_by_lua_block") {
                        letters.skip_program(&at)?;
                        self.taking.ignore(&opened.place, &opened.told(), "a program, which is not carried out");
                    } else {
                        open.push(OpenBlock { opened, within: Vec::new() });
                    }
                }
                NginxToken::Closes => {
                    if !words.is_empty() {
                        return Err(unended(&place, &words));
                    }
                    let Some(OpenBlock { mut opened, within }) = open.pop() else {
                        return Err(BadConfig::new(&at, "`}` closes nothing", "take it away, or open the block"));
                    };
                    opened.block = Some(within);
                    open.last_mut().map_or(&mut top, |block| &mut block.within).push(opened);
                }
            }
        }
        match open.pop() {
            _ if !words.is_empty() => Err(unended(&place, &words)),
            Some(OpenBlock { opened, .. }) => {
                let message = format!("the block of `{}` is not closed; is the file cut off?", opened.told());
                Err(BadConfig::new(&opened.place, message, "close it with `}`"))
            }
            None => Ok(top),
        }
    }

    fn directive(&mut self, place: &ConfigPlace, words: Vec<String>) -> Result<NginxDirective, BadConfig> {
        if words.is_empty() {
            return Err(BadConfig::new(place, "a directive has no name", "write its name first"));
        }
        self.directives += 1;
        if self.directives > DIRECTIVES_MAX {
            return Err(BadConfig::new(
                place,
                "there are too many directives",
                format!("at most {DIRECTIVES_MAX} are read"),
            ));
        }
        Ok(NginxDirective { place: place.clone(), words, block: None })
    }

    /// What an `include` brings; any other directive by itself.
    fn expanded(&mut self, directive: NginxDirective) -> Result<Vec<NginxDirective>, BadConfig> {
        let ("include", [pattern]) = (directive.name(), directive.values()) else { return Ok(vec![directive]) };
        if self.depth >= INCLUDED_DEPTH_MAX {
            let message = format!("files include each other {INCLUDED_DEPTH_MAX} deep");
            return Err(BadConfig::new(&directive.place, message, "does a file include itself?"));
        }
        let found = match self.files.included(pattern) {
            Ok(found) => found,
            Err(why) => {
                self.taking.ignore(&directive.place, &directive.told(), why);
                return Ok(Vec::new());
            }
        };
        self.included += found.len();
        if self.included > INCLUDED_MAX {
            let message = format!("more than {INCLUDED_MAX} files are included");
            return Err(BadConfig::new(&directive.place, message, "does a file include itself?"));
        }
        self.depth += 1;
        let mut all = Vec::new();
        for (file, text) in found {
            all.extend(self.file(&file, &text)?);
        }
        self.depth -= 1;
        Ok(all)
    }
}

fn unended(place: &ConfigPlace, words: &[String]) -> BadConfig {
    let message = format!("`{}` has no end; is the file cut off?", words.join(" "));
    BadConfig::new(place, message, "end it with `;`")
}

/// What is left of the text.
struct NginxLetters<'t> {
    rest: &'t str,
    line: usize,
    file: &'t str,
}

impl NginxLetters<'_> {
    fn place(&self) -> ConfigPlace {
        ConfigPlace { file: self.file.to_owned(), line: self.line }
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        self.line += usize::from(letter == '\n');
        Some(letter)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// The next token, with its place; none at the end.
    fn token(&mut self) -> Result<Option<(ConfigPlace, NginxToken)>, BadConfig> {
        loop {
            let place = self.place();
            let token = match self.peek() {
                None => return Ok(None),
                Some(';') => NginxToken::End,
                Some('{') => NginxToken::Opens,
                Some('}') => NginxToken::Closes,
                Some('#') => {
                    while self.peek().is_some_and(|letter| letter != '\n') {
                        self.next();
                    }
                    continue;
                }
                Some(letter) if letter.is_whitespace() => {
                    self.next();
                    continue;
                }
                Some(quote @ ('"' | '\'')) => return self.quoted(place, quote).map(Some),
                Some(_) => return Ok(Some((place, NginxToken::Text(self.word())))),
            };
            self.next();
            return Ok(Some((place, token)));
        }
    }

    /// A word without quotes around it. The braces of `${name}` belong to it.
    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(letter) = self.peek() {
            match letter {
                ';' | '}' => break,
                '{' if !word.ends_with('$') => break,
                letter if letter.is_whitespace() => break,
                _ => {}
            }
            self.next();
            word.push(letter);
            match letter {
                '\\' => word.extend(self.next()),
                '{' => {
                    while let Some(letter) = self.peek().filter(|letter| !letter.is_whitespace()) {
                        self.next();
                        word.push(letter);
                        if letter == '}' {
                            break;
                        }
                    }
                }
                _ => {}
            }
        }
        word
    }

    fn quoted(&mut self, place: ConfigPlace, quote: char) -> Result<(ConfigPlace, NginxToken), BadConfig> {
        self.next();
        match self.quoted_text(quote) {
            Some(word) => Ok((place, NginxToken::Text(word))),
            None => {
                let advice = format!("close it with `{quote}`");
                Err(BadConfig::new(&place, "a quote is not closed; is the file cut off?", advice))
            }
        }
    }

    /// What follows up to a quote; none where there is no such quote.
    fn quoted_text(&mut self, quote: char) -> Option<String> {
        let mut word = String::new();
        while let Some(letter) = self.next() {
            match letter {
                letter if letter == quote => return Some(word),
                '\\' => word.extend(self.next()),
                letter => word.push(letter),
            }
        }
        None
    }

    /// Skips a program in Lua, up to the brace that closes it: those in its strings and comments do not count.
    fn skip_program(&mut self, opened: &ConfigPlace) -> Result<(), BadConfig> {
        let mut depth = 1_usize;
        while let Some(letter) = self.next() {
            match letter {
                '"' | '\'' => _ = self.quoted_text(letter),
                '-' if self.peek() == Some('-') => while self.next().is_some_and(|letter| letter != '\n') {},
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
        Err(BadConfig::new(opened, "a program is not closed; is the file cut off?", "close it with `}`"))
    }
}
