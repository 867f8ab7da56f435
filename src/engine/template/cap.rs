//! What is asked of a template before it is parsed: minijinja's parser and compiler call themselves once for each operator of a
//! chain and each `elif`, so that a long enough one would end the process. Brackets and blocks it counts itself.

use minijinja::machinery::{Span, Token, tokenize};

use super::filter;
use crate::engine::expression::{Fault, FaultKind};

/// Operators between two braces; as many as a condition may have.
const MAX_OPERATORS: usize = 256;
/// Blocks inside blocks, each `elif` counted as one.
const MAX_DEPTH: usize = 100;

/// The first place where the template goes beyond the caps.
pub(super) fn check(source: &str) -> Result<(), Fault> {
    let (mut operators, mut blocks) = (0, Vec::new());
    // What stood before: a bracket behind a value takes something out of it.
    let (mut begins, mut value) = (false, false);
    // What is no token is told by the parser.
    for (token, span) in tokenize(source, false, filter::syntax()).map_while(Result::ok) {
        match &token {
            Token::VariableStart | Token::BlockStart => operators = 0,
            Token::Ident("if" | "for" | "with") if begins => blocks.push(1),
            Token::Ident("elif") if begins => blocks.last_mut().into_iter().for_each(|b| *b += 1),
            Token::Ident("endif" | "endfor" | "endwith") if begins => drop(blocks.pop()),
            _ => {}
        }
        operators += usize::from(operates(&token, value));
        if operators > MAX_OPERATORS {
            return Err(fault(source, span, FaultKind::TooManyOperators { limit: MAX_OPERATORS }));
        }
        if blocks.iter().sum::<usize>() > MAX_DEPTH {
            return Err(fault(source, span, FaultKind::TooDeep { limit: MAX_DEPTH }));
        }
        begins = matches!(token, Token::BlockStart);
        value = matches!(token, Token::Ident(_) | Token::Str(_) | Token::BracketClose | Token::ParenClose | Token::BraceClose);
    }
    Ok(())
}

/// Whether an expression gets deeper by it.
fn operates(token: &Token<'_>, behind_value: bool) -> bool {
    match token {
        Token::Ident(word) => matches!(*word, "not" | "and" | "or" | "if" | "else" | "in" | "is"),
        Token::BracketOpen | Token::ParenOpen => behind_value,
        Token::Plus | Token::Minus | Token::Mul | Token::Div | Token::FloorDiv | Token::Pow | Token::Mod => true,
        Token::Dot | Token::Tilde | Token::Pipe => true,
        Token::Eq | Token::Ne | Token::Gt | Token::Gte | Token::Lt | Token::Lte => true,
        _ => false,
    }
}

fn fault(source: &str, span: Span, kind: FaultKind) -> Fault {
    let count = |byte: u32| source.char_indices().take_while(|(at, _)| *at < byte as usize).count();
    Fault { at: count(span.start_offset)..count(span.end_offset), kind }
}
