//! What is asked of each item of a list: `any(items, item.price > 100)`. The name `item` is bound inside, and hides what it is
//! outside; of a list within a list the inner one counts. What is done for all items together is bounded.

use std::borrow::Cow;

use jiff::Zoned;
use rust_decimal::Decimal;

use super::call::{Gathered, Steps, made, nothing, out_of_range, stop, weight};
use super::number::order;
use super::{Function, rows};
use crate::engine::calendar::Calendar;
use crate::engine::expression::arithmetic::unfit;
use crate::engine::expression::node::{Evaluated, Node};
use crate::engine::scope::{Scope, Stop};
use crate::engine::value::Value;

/// The name that is bound.
pub(in crate::engine::expression) const ITEM: &str = "item";

/// What is made of what each item comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine::expression) enum How {
    Any,
    All,
    Count,
    Find,
    Filter,
    Map,
    Sum,
    Avg,
    Sort,
}

impl How {
    /// Whether true or false is asked of each item.
    pub(in crate::engine::expression) fn asks(self) -> bool {
        matches!(self, Self::Any | Self::All | Self::Count | Self::Find | Self::Filter)
    }
}

pub(super) const ROWS: &[Function] = rows! {
    Each(How::Any) "any" 2..=2 "any(list, condition on item)"
        "one item at least for which the condition holds; the item is called `item`" "至少有一项满足条件;条件中用 `item` 表示该项" "any(items, item.price > 200)"
        [List, Bool -> Bool];
    Each(How::All) "all" 2..=2 "all(list, condition on item)"
        "the condition holds for every item; of an empty list too" "每一项都满足条件;空列表也成立" "all(items, item.qty >= 1)" [List, Bool -> Bool];
    Each(How::Count) "count" 1..=2 "count(list[, condition on item])"
        "how many items, or for how many the condition holds" "项数,或满足条件的项数" "count(items, item.qty > 1) == 1" [List, Bool -> Number];
    Each(How::Find) "find" 2..=2 "find(list, condition on item)"
        "the first item for which the condition holds; missing if there is none" "第一个满足条件的项;没有则缺失" "get(find(items, item.sku == 'A1'), 'price') == 100"
        [List, Bool -> Any];
    Each(How::Filter) "filter" 2..=2 "filter(list, condition on item)"
        "the items for which the condition holds" "满足条件的各项" "len(filter(tags, starts_with(item, 'V'))) == 1" [List, Bool -> List];
    Each(How::Map) "map" 2..=2 "map(list, expression on item)"
        "what the expression comes to for each item" "对每一项求值,成为列表" "join(map(items, item.sku)) == 'A1, B2'" [List, Any -> List];
    Each(How::Sum) "sum" 1..=2 "sum(list[, expression on item])"
        "the sum of the numbers, or of what the expression comes to" "各数之和,或表达式的值之和" "sum(items, item.price * item.qty) == 500" [List, Number -> Number];
    Each(How::Avg) "avg" 1..=2 "avg(list[, expression on item])"
        "their average; of an empty list missing" "平均值;空列表则缺失" "avg(items, item.price) == 200" [List, Number -> Number];
    Each(How::Sort) "sort" 1..=2 "sort(list[, expression on item])"
        "in order, of the items or of what the expression comes to; what is missing last" "排序,可按表达式的值;缺失的排在最后" "get(first(sort(items, -item.price)), 'sku') == 'B2'"
        [List, Any -> List];
};

/// The list, and what is asked of each item; without it the item itself.
pub(in crate::engine::expression) fn eval<'a>(
    how: How,
    list: &'a Node,
    of: Option<&'a Node>,
    scope: &'a dyn Scope,
) -> Evaluated<'a> {
    let listed = list.eval(scope)?;
    let items: &[Value] = match listed.as_ref() {
        Value::List(items) => items,
        Value::Null if matches!(how, How::Any | How::All) => return made(false),
        Value::Null => return nothing(),
        other => return Err(unfit(list, other, "a list")),
    };
    let own = Steps::default();
    let walk = Walk { items, of, scope, steps: scope.steps().unwrap_or(&own) };
    match how {
        How::Any => made(walk.first(true)?.is_some()),
        How::All => made(walk.first(false)?.is_none()),
        How::Count if of.is_none() => made(items.len() as u64),
        How::Count => {
            let mut count = 0u64;
            walk.holding(|_| {
                count += 1;
                Ok(())
            })?;
            made(count)
        }
        How::Find => made(walk.first(true)?.cloned()),
        How::Filter => {
            let mut kept = Gathered::default();
            walk.holding(|item| kept.push(item.clone()))?;
            made(kept.done())
        }
        How::Map => {
            let mut all = Gathered::default();
            walk.values(|_, value| all.push(value))?;
            made(all.done())
        }
        How::Sum => made(walk.sum()?),
        How::Avg if items.is_empty() => nothing(),
        How::Avg => {
            let average = walk.sum()?.checked_div(Decimal::from(items.len() as u64));
            average.map_or_else(|| Err(out_of_range()), |n| made(n.normalize()))
        }
        How::Sort => made(walk.sorted()?),
    }
}

struct Walk<'w> {
    items: &'w [Value],
    of: Option<&'w Node>,
    scope: &'w dyn Scope,
    steps: &'w Steps,
}

impl Walk<'_> {
    fn holds(&self, item: &Value) -> Result<bool, Stop> {
        self.steps.take(1)?;
        let Some(of) = self.of else { return Ok(true) };
        of.test(&Inner { outer: self.scope, item, steps: self.steps })
    }

    /// The first item that holds, or the first that does not.
    fn first(&self, wanted: bool) -> Result<Option<&Value>, Stop> {
        for item in self.items {
            if self.holds(item)? == wanted {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    fn holding(&self, mut found: impl FnMut(&Value) -> Result<(), Stop>) -> Result<(), Stop> {
        for item in self.items {
            if self.holds(item)? {
                found(item)?;
            }
        }
        Ok(())
    }

    /// What each item comes to.
    fn values(&self, mut found: impl FnMut(&Value, Value) -> Result<(), Stop>) -> Result<(), Stop> {
        for item in self.items {
            self.steps.take(1)?;
            let value = match self.of {
                Some(of) => of.eval(&Inner { outer: self.scope, item, steps: self.steps })?.into_owned(),
                None => item.clone(),
            };
            found(item, value)?;
        }
        Ok(())
    }

    fn sum(&self) -> Result<Decimal, Stop> {
        let mut sum = Decimal::ZERO;
        self.values(|_, value| match (value, self.of) {
            (Value::Number(n), _) => {
                sum = sum.checked_add(n).ok_or_else(out_of_range)?;
                Ok(())
            }
            (other, Some(of)) => Err(unfit(of, &other, "a number")),
            (Value::Null, None) => Err(stop("an item of the list is missing")),
            (other, None) => Err(stop(format!("an item of the list is {}, a number expected", other.kind()))),
        })?;
        Ok(sum)
    }

    fn sorted(&self) -> Result<Value, Stop> {
        let mut keyed: Vec<(Value, Value)> = Vec::new();
        self.values(|item, key| {
            keyed.push((key, item.clone()));
            Ok(())
        })?;
        let mut failed = None;
        keyed.sort_by(|(a, _), (b, _)| match (a, b) {
            (Value::Null, b) => (*b == Value::Null).cmp(&true).reverse(),
            (_, Value::Null) => std::cmp::Ordering::Less,
            (a, b) => order(a, b).unwrap_or_else(|stop| {
                failed = Some(stop);
                std::cmp::Ordering::Equal
            }),
        });
        if let Some(stop) = failed {
            return Err(stop);
        }
        let mut sorted = Gathered::default();
        keyed.into_iter().try_for_each(|(_, item)| sorted.push(item))?;
        Ok(sorted.done())
    }
}

/// The names within: `item`, and all there are outside.
struct Inner<'s> {
    outer: &'s dyn Scope,
    item: &'s Value,
    steps: &'s Steps,
}

impl Scope for Inner<'_> {
    fn name(&self, path: &[String]) -> Result<Cow<'_, Value>, Stop> {
        let value = match path.split_first() {
            Some((first, rest)) if first == ITEM => self.item.at(rest).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
            _ => self.outer.name(path)?,
        };
        // Whatever is done with it, it is done for every item.
        self.steps.take(weight(&value))?;
        Ok(value)
    }

    fn now(&self) -> Zoned {
        self.outer.now()
    }

    fn changed(&self, field: &str) -> bool {
        self.outer.changed(field)
    }

    fn calendar(&self, name: Option<&str>) -> Option<&Calendar> {
        self.outer.calendar(name)
    }

    fn lookup(&self, table: &str, key: &Value, column: &str) -> Value {
        self.outer.lookup(table, key, column)
    }

    fn steps(&self) -> Option<&Steps> {
        Some(self.steps)
    }
}
