//! What conditions and templates complain about, in words; one text for each kind of fault.

use super::catalogue as t;
use super::problem::Said;
use crate::engine::expression::{FaultKind as F, Kind, Wanted, library};

/// What is wrong and what helps; `of` are the entities in question.
pub(super) fn words(kind: &F, of: &[&str]) -> (Said, Option<Said>) {
    let near = |nearest: &Option<String>| nearest.as_ref().map(|n| t::DID_YOU_MEAN.with([n.as_str().into()]));
    let write = |text: &str| Some(t::WRITE_INSTEAD.with([text.into()]));
    let n = |number: &usize| number.to_string().into();
    match kind {
        F::UnknownName { name, nearest } => {
            let what = match of {
                [entity] => t::UNKNOWN_NAME_OF.with([name.as_str().into(), (*entity).into()]),
                _ => t::UNKNOWN_NAME.with([name.as_str().into()]),
            };
            let item = nearest.is_none() && (name == "item" || name.starts_with("item."));
            (what, if item { Some(t::ITEM_HELP.with([])) } else { near(nearest) })
        }
        F::UnknownFunction { name, nearest } => (t::UNKNOWN_FUNCTION.with([name.as_str().into()]), near(nearest)),
        F::UnknownCalendar { name, nearest } => (t::UNKNOWN_CALENDAR.with([name.as_str().into()]), near(nearest)),
        F::TooLong { limit } => (t::EXPR_TOO_LONG.with([n(limit)]), None),
        F::DashedName { name, write: w } => (t::DASHED_NAME.with([name.as_str().into()]), write(w)),
        F::TooManyOperators { limit } => (t::TOO_MANY_OPERATORS.with([n(limit)]), None),
        F::TooDeep { limit } => (t::EXPR_TOO_DEEP.with([n(limit)]), None),
        F::Empty => (t::EXPR_EMPTY.with([]), None),
        F::Instead { found, write: w } => (t::INSTEAD.with([found.as_str().into(), w.as_str().into()]), write(w)),
        F::Assignment { found } => (t::ASSIGNMENT.with([found.as_str().into()]), None),
        F::Semicolon => (t::SEMICOLON.with([]), None),
        F::Braces { found } => (t::BRACES.with([found.as_str().into()]), None),
        F::UnexpectedCharacter { found } => (t::UNEXPECTED_CHARACTER.with([found.to_string().into()]), None),
        F::UnterminatedText { quote } => (t::UNTERMINATED_TEXT.with([quote.to_string().into()]), None),
        F::BadNumber { found } => (t::BAD_NUMBER.with([found.as_str().into()]), None),
        F::NumberRange { found } => (t::NUMBER_RANGE.with([found.as_str().into()]), None),
        F::BadIndex => (t::BAD_INDEX.with([]), None),
        F::UnclosedBracket { bracket } => (t::UNCLOSED_BRACKET.with([bracket.to_string().into()]), None),
        F::UnopenedBracket { bracket } => (t::UNOPENED_BRACKET.with([bracket.to_string().into()]), None),
        F::MissingValue { operator } => (t::MISSING_VALUE.with([operator.as_str().into()]), None),
        F::MissingOperator => (t::MISSING_OPERATOR.with([]), Some(t::OPERATORS_HELP.with([]))),
        F::EmptyBrackets => (t::EMPTY_BRACKETS.with([]), None),
        F::StrayComma => (t::STRAY_COMMA.with([]), None),
        F::Null { found } => (t::NULL.with([found.as_str().into()]), Some(t::NULL_HELP.with([]))),
        F::ChainedComparison => (t::CHAINED.with([]), Some(t::CHAINED_HELP.with([]))),
        F::NotAList => (t::NOT_A_LIST.with([]), Some(t::IN_HELP.with([]))),
        F::Arguments { function, least, most, found } => {
            let wanted = if least == most { least.to_string() } else { format!("{least}–{most}") };
            let signature = library().find(|f| f.name == *function).map(|f| f.signature);
            (t::ARGUMENTS.with([function.as_str().into(), wanted.into(), n(found)]), signature.and_then(write))
        }
        F::PatternNotText => (t::PATTERN_NOT_TEXT.with([]), None),
        F::BadPattern { reason } => (t::BAD_PATTERN.with([reason.as_str().into()]), None),
        F::NotAField => (t::NOT_A_FIELD.with([]), None),
        F::NotACondition => (t::NOT_A_CONDITION.with([]), None),
        F::BareValue { write: Some(w) } => (t::BARE_VALUE.with([]), write(w)),
        F::BareValue { write: None } => (t::BARE_VALUE.with([]), Some(t::BARE_VALUE_HELP.with([]))),
        F::EmptyText { write: w } => (t::EMPTY_TEXT.with([]), write(w)),
        F::NoGroup { asked, groups } => (t::NO_GROUP.with([asked.as_str().into(), n(groups)]), None),
        F::Written { found, wanted } => written(found, wanted),
        F::NeverSame { left, right } => {
            (t::NEVER_SAME.with([kind_word(*left).into(), kind_word(*right).into()]), kinds_help(*left, *right))
        }
        F::NoOrder { left, right } => {
            (t::NO_ORDER.with([kind_word(*left).into(), kind_word(*right).into()]), kinds_help(*left, *right))
        }
        F::Operand { operator, found } => {
            (t::OPERAND.with([operator.as_str().into(), kind_word(*found).into()]), kinds_help(*found, Kind::Number))
        }
        F::Sides { left, right } => {
            (t::SIDES.with([kind_word(*left).into(), kind_word(*right).into()]), kinds_help(*left, *right))
        }
        F::ArgumentKind { function, found, wanted, signature } => (
            t::ARGUMENT_KIND.with([function.as_str().into(), kind_word(*wanted).into(), kind_word(*found).into()]),
            Some(t::CALLED.with([signature.as_str().into()])),
        ),
        F::NotTrueOrFalse { found } => (t::NOT_TRUE_OR_FALSE.with([kind_word(*found).into()]), answer_help(*found)),
        F::NotATime { found } => (t::READS_AS_NO_TIME.with([found.as_str().into()]), Some(t::TIME_HELP.with([]))),
        F::TemplateSyntax { reason } => (t::TEMPLATE_SYNTAX.with([reason.as_str().into()]), None),
        F::UnknownFilter { name, nearest } => (t::UNKNOWN_FILTER.with([name.as_str().into()]), near(nearest)),
        F::UnknownTest { name, nearest } => (t::UNKNOWN_TEST.with([name.as_str().into()]), near(nearest)),
        F::TooManyParts { limit } => (t::TOO_MANY_PARTS.with([n(limit)]), None),
        F::NotInTemplates { found } => (t::NOT_IN_TEMPLATES.with([found.as_str().into()]), None),
    }
}

/// A kind in words.
pub(super) fn kind_word(kind: Kind) -> &'static t::Text {
    match kind {
        Kind::Any => &t::KIND_ANY,
        Kind::Text | Kind::Word => &t::K_TEXT,
        Kind::Number => &t::KIND_NUMBER,
        Kind::Bool => &t::K_BOOL,
        Kind::Time => &t::KIND_TIME,
        Kind::Date => &t::KIND_DATE,
        Kind::List => &t::K_LIST,
        Kind::Object => &t::K_FOUND_MAP,
        Kind::TextOrList => &t::KIND_TEXT_OR_LIST,
        Kind::TextOrNumber => &t::KIND_TEXT_OR_NUMBER,
        Kind::Counted => &t::KIND_COUNTED,
    }
}

fn written(found: &str, wanted: &Wanted) -> (Said, Option<Said>) {
    let (text, help) = match wanted {
        Wanted::Duration => (&t::NO_DURATION, Some(t::SPAN_HELP.with([]))),
        Wanted::Period => (&t::NO_PERIOD, Some(t::PERIOD_HELP.with([]))),
        Wanted::Zone => (&t::NO_ZONE, Some(t::ZONE_HELP.with([]))),
        Wanted::Form { reason } => return (t::NO_FORM.with([found.into(), reason.as_str().into()]), Some(t::FORM_HELP.with([]))),
    };
    (text.with([found.into()]), help)
}

/// How values of these kinds are brought together.
pub(super) fn kinds_help(a: Kind, b: Kind) -> Option<Said> {
    let has = |kind: Kind| a == kind || b == kind;
    if has(Kind::List) || has(Kind::Object) {
        return Some(t::LIST_KIND_HELP.with([]));
    }
    if has(Kind::Bool) {
        return Some(t::BOOL_KIND_HELP.with([]));
    }
    if has(Kind::Time) || has(Kind::Date) {
        return Some(t::TIME_KIND_HELP.with([]));
    }
    ((a.is_text() || b.is_text()) && has(Kind::Number)).then(|| t::NUMBER_KIND_HELP.with([]))
}

fn answer_help(found: Kind) -> Option<Said> {
    Some(match found {
        Kind::Number => t::ANSWER_NUMBER_HELP.with([]),
        _ => t::ANSWER_HELP.with([]),
    })
}
