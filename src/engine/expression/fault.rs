//! What can be wrong in a condition or template: a closed list, so that each kind has a text of its own in every language.
//! Never holds a text for people but what a library said about a pattern or a template.

use std::ops::Range;

use super::kinds::Kind;

/// Something wrong in an expression or template, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which characters (not bytes) of the source.
    pub at: Range<usize>,
    /// What is wrong.
    pub kind: FaultKind,
}

/// What is wrong. In conditions and templates alike: the first four.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A name that means nothing here.
    UnknownName {
        /// The name as written.
        name: String,
        /// The nearest right one, whole; a function is written `today()`.
        nearest: Option<String>,
    },
    /// A function that is not in the library.
    UnknownFunction {
        /// As written.
        name: String,
        /// The nearest right one.
        nearest: Option<String>,
    },
    /// The text is longer than this many bytes.
    TooLong {
        /// Bytes.
        limit: usize,
    },
    /// A name with a dash is read as a subtraction: `lead-score` is `lead` minus `score`.
    DashedName {
        /// As written: `event.lead-score`.
        name: String,
        /// How it is written instead: `event['lead-score']`, or the name with `_` where that is the one there is.
        write: String,
    },

    /// A calendar that there is not.
    UnknownCalendar {
        /// As written.
        name: String,
        /// The nearest right one.
        nearest: Option<String>,
    },
    /// More operators than this.
    TooManyOperators {
        /// How many may stand in one condition.
        limit: usize,
    },
    /// Brackets, `not` or a minus nested deeper than this.
    TooDeep {
        /// How deep.
        limit: usize,
    },
    /// Nothing but blanks.
    Empty,
    /// One sign or word where another is meant: `=` for `==`, `“VIP”` for `'VIP'`, `（` for `(`, `AND` for `and`, `10%` for `0.10`.
    Instead {
        /// As written.
        found: String,
        /// What would be right.
        write: String,
    },
    /// `+=` and the like: a condition changes nothing.
    Assignment {
        /// The operator as written.
        found: String,
    },
    /// `;`: a condition is one expression.
    Semicolon,
    /// `{{ … }}` around a name: braces belong into templates, names stand bare in conditions.
    Braces {
        /// `{{`, `}}`, `{%` or `%}`.
        found: String,
    },
    /// A character that means nothing in a condition.
    UnexpectedCharacter {
        /// The character.
        found: char,
    },
    /// A text without its closing quote.
    UnterminatedText {
        /// The opening quote.
        quote: char,
    },
    /// A number that cannot be read: `3d`, `10万`, `1.2.3`.
    BadNumber {
        /// As written.
        found: String,
    },
    /// A number of more than 28 digits, or too large: `1e400`.
    NumberRange {
        /// As written, shortened.
        found: String,
    },
    /// `tags[…]` with anything but one number or one text between the brackets.
    BadIndex,
    /// A bracket that is never closed; at the opening one.
    UnclosedBracket {
        /// `(` or `[`.
        bracket: char,
    },
    /// A bracket that was never opened, or that closes one of the other kind; at the closing one.
    UnopenedBracket {
        /// `)` or `]`.
        bracket: char,
    },
    /// An operator with no value before or after it: `amount >`, `and x`, `a or`.
    MissingValue {
        /// The operator as written.
        operator: String,
    },
    /// Two values with no operator between them: `level 'A'`; at the second.
    MissingOperator,
    /// `()` with nothing in it, or nothing between two commas.
    EmptyBrackets,
    /// A comma outside of a list and of a function's arguments.
    StrayComma,
    /// `null`, `none` or `nil`: `is_empty(x)` asks whether something is there.
    Null {
        /// As written.
        found: String,
    },
    /// `a < b < c`: two comparisons in a row; `a < b and b < c`.
    ChainedComparison,
    /// What stands after `in` can never be a list: `level in 'A'`.
    NotAList,
    /// Too few or too many arguments.
    Arguments {
        /// The function.
        function: String,
        /// At least so many.
        least: usize,
        /// At most so many.
        most: usize,
        /// So many stand there.
        found: usize,
    },
    /// The pattern of `matches` must be a text written there, so that it is compiled once.
    PatternNotText,
    /// The pattern of `matches` cannot be compiled, or would be too large.
    BadPattern {
        /// What the regex library says, in one line.
        reason: String,
    },
    /// `changed(…)` takes the bare name of a field.
    NotAField,
    /// The condition is a text, number or list, which is neither true nor false.
    NotACondition,
    /// A text, number or list where `and`, `or`, `not` or `if(…)` want true or false: `region == 'a' or 'b'`.
    BareValue {
        /// What was meant, if that can be told: `region in ['a', 'b']`.
        write: Option<String>,
    },
    /// A comparison with a text that holds nothing: `email != ''`.
    EmptyText {
        /// How that is asked: `not is_empty(email)`.
        write: String,
    },
    /// A pattern has no group of this number or name.
    NoGroup {
        /// As asked for.
        asked: String,
        /// How many it has.
        groups: usize,
    },
    /// A text written out that must be one of a few, or of a form.
    Written {
        /// The text, shortened.
        found: String,
        /// What would do.
        wanted: Wanted,
    },
    /// `==` or `in` of two kinds that are never the same.
    NeverSame {
        /// What stands left.
        left: Kind,
        /// What stands right.
        right: Kind,
    },
    /// `<` and the like of two kinds that have no order, or of yes and no, lists, objects.
    NoOrder {
        /// What stands left.
        left: Kind,
        /// What stands right.
        right: Kind,
    },
    /// An operator that calculates, with what is no number.
    Operand {
        /// `*`
        operator: String,
        /// What stands there.
        found: Kind,
    },
    /// `+` of a text and a number.
    Sides {
        /// What stands left.
        left: Kind,
        /// What stands right.
        right: Kind,
    },
    /// An argument of another kind than the function takes.
    ArgumentKind {
        /// The function.
        function: String,
        /// What stands there.
        found: Kind,
        /// What it takes.
        wanted: Kind,
        /// How it is called.
        signature: String,
    },
    /// What is neither true nor false, where a condition is wanted.
    NotTrueOrFalse {
        /// What stands there.
        found: Kind,
    },
    /// A text that is compared with a time, and reads as none.
    NotATime {
        /// The text.
        found: String,
    },

    /// The template cannot be read.
    TemplateSyntax {
        /// What the template library says, in one line.
        reason: String,
    },
    /// A filter that there is not.
    UnknownFilter {
        /// As written.
        name: String,
        /// The nearest right one.
        nearest: Option<String>,
    },
    /// A test (`is …`) that there is not.
    UnknownTest {
        /// As written.
        name: String,
        /// The nearest right one.
        nearest: Option<String>,
    },
    /// A value put together of more names and texts than this: `a ~ a` under a name, again and again, doubles each time.
    TooManyParts {
        /// How many it may be put together of.
        limit: usize,
    },
    /// A statement or call that templates here have not: `include`, a method of a value, text repeated by `*`.
    NotInTemplates {
        /// As written, shortened.
        found: String,
    },
}

/// What a text written out must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// `3 months`
    Duration,
    /// `day`, `month` …
    Period,
    /// `Asia/Shanghai`
    Zone,
    /// `%Y-%m-%d`
    Form {
        /// What the time library says, in one line.
        reason: String,
    },
}
