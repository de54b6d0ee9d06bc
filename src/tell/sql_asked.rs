//! What a query asks of its tables, as far as it can be seen before they are read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parquet::basic::ConvertedType;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use polars::polars_utils::slice_enum::Slice;
use polars::prelude::{
    AnyValue, DataFrame, DataType, Expr, IntoLazy, LiteralValue, Operator, PlSmallStr, Scalar,
    TimeUnit,
};
use polars_plan::dsl::{BooleanFunction, FileScanIR, FunctionExpr};
use polars_plan::plans::{
    ArenaLpIter, DynLiteralValue, IR, IRPlan, MintermIter, is_elementwise_rec, node_to_expr,
};

use super::sql_scan::PlannedTable;

/// What a query asks of a table: a row for which that does not hold is of no use to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub condition: Option<Expr>,
    /// Of the rows for which the condition holds, only those that come first.
    pub first: Option<First>,
    /// Its columns; all if not given.
    pub columns: Option<BTreeSet<PlSmallStr>>,
    /// So many rows, from its beginning on.
    pub rows: Option<usize>,
}

/// The rows that come first in an order.
#[derive(Clone, Debug)]
pub(super) struct First {
    /// First column of the order.
    pub by: PlSmallStr,
    pub descending: bool,
    /// Rows without a value come behind all others.
    pub nulls_last: bool,
    pub rows: usize,
}

/// What an optimised plan asks of each table.
pub(super) fn asked_of(plan: &IRPlan) -> HashMap<&'static str, Asked> {
    let firsts = firsts(plan);
    let mut asked: HashMap<&'static str, Asked> = HashMap::new();
    for (node, scan) in plan.lp_arena.iter(plan.lp_top) {
        let IR::Scan {
            predicate,
            scan_type,
            unified_scan_args,
            ..
        } = scan
        else {
            continue;
        };
        let FileScanIR::Anonymous { function, .. } = &**scan_type else {
            continue;
        };
        let Some(table) = function.as_any().downcast_ref::<PlannedTable>() else {
            continue;
        };
        let mut of_scan = Asked::default();
        let parts = predicate.iter().flat_map(|predicate| {
            let parts = MintermIter::new(predicate.node(), &plan.expr_arena);
            parts.map(|part| (part, node_to_expr(part, &plan.expr_arena)))
        });
        let parts: Vec<(_, Expr)> = parts.collect();
        of_scan.columns = unified_scan_args.projection.as_ref().map(|columns| {
            let of_parts = parts.iter().flat_map(|(_, part)| leaves(part));
            columns.iter().cloned().chain(of_parts).collect()
        });
        if let Some(slice) = &unified_scan_args.pre_slice {
            // The first rows of a table are not the first of some of its rows.
            of_scan.rows = match slice {
                Slice::Positive { offset, len } => Some(offset.saturating_add(*len)),
                Slice::Negative { .. } => None,
            };
        } else {
            let parts = parts.into_iter();
            // What only the run of the plan can judge says nothing that the query does not say.
            let parts = parts.filter(|(_, part)| !is_of_run(part));
            // What looks at other rows as well would say something else of a part of them.
            let (plain, others): (Vec<_>, Vec<_>) = parts.partition(|(node, part)| {
                is_plain(part) && is_elementwise_rec(*node, &plan.expr_arena)
            });
            let plain = plain.into_iter().map(|(_, part)| with_values(part));
            of_scan.condition = plain.reduce(Expr::and);
            let first = firsts.get(&node.0).filter(|_| others.is_empty());
            of_scan.first = first.cloned();
        }
        asked
            .entry(table.0)
            .and_modify(|all| {
                let conditions = all.condition.take().zip(of_scan.condition.clone());
                all.condition = conditions.map(|(all, one)| all.or(one));
                all.first = None;
                all.rows = None;
                let columns = all.columns.take().zip(of_scan.columns.clone());
                all.columns = columns.map(|(all, one)| all.union(&one).cloned().collect());
            })
            .or_insert(of_scan);
    }
    asked
}

/// Scans of which an order takes the first rows, by their places in the plan.
fn firsts(plan: &IRPlan) -> HashMap<usize, First> {
    let mut firsts = HashMap::new();
    for (_, node) in plan.lp_arena.iter(plan.lp_top) {
        let IR::Sort {
            input,
            by_column,
            slice: Some((offset, rows, _)),
            sort_options,
        } = node
        else {
            continue;
        };
        let by = by_column.first().map(|by| by.to_expr(&plan.expr_arena));
        let (Some(Expr::Column(by)), Ok(offset)) = (by, usize::try_from(*offset)) else {
            continue;
        };
        let mut scan = *input;
        loop {
            scan = match plan.lp_arena.get(scan) {
                IR::SimpleProjection { input, .. } => *input,
                // What names columns and changes none.
                IR::HStack { input, exprs, .. }
                    if exprs
                        .iter()
                        .all(|one| matches!(one.to_expr(&plan.expr_arena), Expr::Column(_))) =>
                {
                    *input
                }
                _ => break,
            };
        }
        let first = First {
            by,
            descending: sort_options.descending.first().copied().unwrap_or(false),
            nulls_last: sort_options.nulls_last.first().copied().unwrap_or(false),
            rows: offset.saturating_add(*rows),
        };
        firsts.insert(scan.0, first);
    }
    firsts
}

/// Whether a condition is none of the query: what an order has found until then, which the plan is told as it runs.
fn is_of_run(condition: &Expr) -> bool {
    let mut parts = condition.into_iter();
    parts.any(|part| matches!(part, Expr::Display { .. }))
}

/// Whether a condition is made of nothing but columns, values and functions of them.
fn is_plain(condition: &Expr) -> bool {
    condition.into_iter().all(|part| {
        matches!(
            part,
            Expr::Column(_)
                | Expr::Literal(_)
                | Expr::BinaryExpr { .. }
                | Expr::Cast { .. }
                | Expr::Ternary { .. }
                | Expr::Function { .. }
                // Lists of values have an empty name of their own.
                | Expr::Alias(..)
        )
    })
}

/// A condition with the values of what stands beside its columns: a date in a query is still a text to be read.
fn with_values(condition: Expr) -> Expr {
    match condition {
        Expr::BinaryExpr { left, op, right } => Expr::BinaryExpr {
            left: Arc::new(with_values(Arc::unwrap_or_clone(left))),
            op,
            right: Arc::new(with_values(Arc::unwrap_or_clone(right))),
        },
        Expr::Function { .. } | Expr::Cast { .. } if leaves(&condition).is_empty() => {
            value_of(&condition).unwrap_or(condition)
        }
        condition => condition,
    }
}

/// The value of what has no column, if it has one.
fn value_of(constant: &Expr) -> Option<Expr> {
    let frame = DataFrame::empty_with_height(1).lazy();
    let frame = frame.select([constant.clone().alias("value")]).collect();
    let frame = frame.ok()?;
    let column = frame.columns().first()?;
    let value = column.get(0).ok()?.into_static();
    let scalar = Scalar::new(column.dtype().clone(), value);
    (column.len() == 1).then_some(Expr::Literal(LiteralValue::Scalar(scalar)))
}

/// Columns of a condition.
pub(super) fn leaves(condition: &Expr) -> Vec<PlSmallStr> {
    let mut names: Vec<PlSmallStr> = Vec::new();
    for part in condition {
        if let Expr::Column(name) = part
            && !names.contains(name)
        {
            names.push(name.clone());
        }
    }
    names
}

/// Whether a row group may have a row for which a condition holds, by the least and greatest values of its
/// columns.
pub(super) fn may_hold(group: &RowGroupMetaData, condition: &Expr) -> bool {
    if let Expr::Function { input, function } = condition
        && let FunctionExpr::Boolean(BooleanFunction::IsNull) = function
        && let [Expr::Column(name)] = input.as_slice()
    {
        return column_of(group, name)
            .and_then(ColumnChunkMetaData::statistics)
            .and_then(Statistics::null_count_opt)
            .is_none_or(|nulls| nulls > 0);
    }
    if let Expr::Function { input, function } = condition
        && let FunctionExpr::Boolean(BooleanFunction::IsIn { .. }) = function
        && let [Expr::Column(name), list] = input.as_slice()
        && let Some(values) = listed(list)
    {
        let mut values = values.iter();
        return values.any(|value| may_compare(group, name, Operator::Eq, value));
    }
    let Expr::BinaryExpr { left, op, right } = condition else {
        return true;
    };
    let turned = match op {
        Operator::And | Operator::LogicalAnd => {
            return may_hold(group, left) && may_hold(group, right);
        }
        Operator::Or | Operator::LogicalOr => {
            return may_hold(group, left) || may_hold(group, right);
        }
        Operator::Lt => Operator::Gt,
        Operator::LtEq => Operator::GtEq,
        Operator::Gt => Operator::Lt,
        Operator::GtEq => Operator::LtEq,
        other => *other,
    };
    match (&**left, &**right) {
        (Expr::Column(name), Expr::Literal(value)) => may_compare(group, name, *op, value),
        (Expr::Literal(value), Expr::Column(name)) => may_compare(group, name, turned, value),
        _ => true,
    }
}

/// The values of a list; `None` if it is none, or one of nothing and something.
fn listed(list: &Expr) -> Option<Vec<LiteralValue>> {
    let list = match list {
        Expr::Alias(list, _) => list,
        list => list,
    };
    let Expr::Literal(list) = list else {
        return None;
    };
    let values = match list {
        LiteralValue::Series(values) => (**values).clone(),
        LiteralValue::Scalar(list) => match list.value() {
            AnyValue::List(values) => values.clone(),
            _ => return None,
        },
        _ => return None,
    };
    let values = match values.dtype() {
        DataType::List(_) if values.len() == 1 => values.list().ok()?.get_as_series(0)?,
        DataType::List(_) => return None,
        _ => values,
    };
    if values.null_count() > 0 {
        return None;
    }
    let scalar = |value: AnyValue<'_>| {
        let value = Scalar::new(values.dtype().clone(), value.into_static());
        LiteralValue::Scalar(value)
    };
    Some(values.iter().map(scalar).collect())
}

fn column_of<'g>(group: &'g RowGroupMetaData, name: &str) -> Option<&'g ColumnChunkMetaData> {
    let mut columns = group.columns().iter();
    columns.find(|column| column.column_path().string() == name)
}

fn may_compare(group: &RowGroupMetaData, name: &str, op: Operator, value: &LiteralValue) -> bool {
    let Some(column) = column_of(group, name) else {
        return true;
    };
    // Decimals are stored as integers of another unit.
    let is_plain = matches!(
        column.column_descr().converted_type(),
        ConvertedType::NONE | ConvertedType::UTF8 | ConvertedType::TIMESTAMP_MICROS
    );
    if !is_plain {
        return true;
    }
    match column.statistics() {
        Some(Statistics::ByteArray(bounds)) => text(value).is_none_or(|text| {
            let (min, max) = (bounds.min_bytes_opt(), bounds.max_bytes_opt());
            within(op, text.as_bytes(), min, max)
        }),
        Some(Statistics::Int64(bounds)) => integer(value)
            .is_none_or(|value| within(op, &value, bounds.min_opt(), bounds.max_opt())),
        Some(Statistics::Int32(bounds)) => integer(value).is_none_or(|value| {
            let (min, max) = (bounds.min_opt(), bounds.max_opt());
            let (min, max) = (
                min.map(|min| i64::from(*min)),
                max.map(|max| i64::from(*max)),
            );
            within(op, &value, min.as_ref(), max.as_ref())
        }),
        _ => true,
    }
}

/// Whether some value between two bounds may be in that relation to another; a missing bound is none.
fn within<T: PartialOrd + ?Sized>(
    op: Operator,
    value: &T,
    min: Option<&T>,
    max: Option<&T>,
) -> bool {
    let above_min =
        |strictly: bool| min.is_none_or(|min| if strictly { min < value } else { min <= value });
    let below_max =
        |strictly: bool| max.is_none_or(|max| if strictly { max > value } else { max >= value });
    match op {
        Operator::Eq => above_min(false) && below_max(false),
        Operator::Lt => above_min(true),
        Operator::LtEq => above_min(false),
        Operator::Gt => below_max(true),
        Operator::GtEq => below_max(false),
        _ => true,
    }
}

fn text(value: &LiteralValue) -> Option<&str> {
    match value {
        LiteralValue::Scalar(scalar) => scalar.value().get_str(),
        LiteralValue::Dyn(DynLiteralValue::Str(text)) => Some(text),
        _ => None,
    }
}

/// A whole number, or a time as the tables have it, in microseconds.
fn integer(value: &LiteralValue) -> Option<i64> {
    match value {
        LiteralValue::Dyn(DynLiteralValue::Int(number)) => i64::try_from(*number).ok(),
        LiteralValue::Scalar(scalar) => match scalar.value() {
            AnyValue::Datetime(time, unit, _) | AnyValue::DatetimeOwned(time, unit, _) => {
                match unit {
                    TimeUnit::Microseconds => Some(*time),
                    TimeUnit::Milliseconds => time.checked_mul(1000),
                    // Rounding would move a bound.
                    TimeUnit::Nanoseconds => None,
                }
            }
            value if value.is_integer() => value.try_extract::<i64>().ok(),
            _ => None,
        },
        _ => None,
    }
}
