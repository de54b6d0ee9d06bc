//! The same question of the same store has the same answer, byte for byte. The engine gives groups and distinct rows
//! in an order that differs from run to run: what a query leaves open is settled by all columns of its answer.

use polars::prelude::{PolarsResult, Schema};
use polars::sql::SQLContext;
use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderBy, OrderByExpr, OrderByKind, OrderByOptions, Query, SetExpr,
    Statement, TableFactor, Value,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

/// The query, with an order that leaves nothing open if it makes groups or distinct rows; as it is if it does not,
/// for rows come in the order of their tables then. `context` knows its tables.
pub(super) fn settled(context: &mut SQLContext, query: &str) -> PolarsResult<String> {
    let statements = Parser::parse_sql(&GenericDialect, query);
    let Ok([Statement::Query(parsed)]) = statements.as_deref() else {
        return Ok(query.to_owned());
    };
    if !makes_groups(parsed) {
        return Ok(query.to_owned());
    }
    let schema = context.execute(query)?.collect_schema()?;
    let settled = with_all_columns((**parsed).clone(), &schema).map(|query| query.to_string());
    // What the engine cannot sort by stays open.
    let works = |settled: &String| context.execute(settled).is_ok();
    Ok(settled.filter(works).unwrap_or_else(|| query.to_owned()))
}

/// A query that is ordered by all its columns, behind those that it names itself.
fn with_all_columns(mut query: Query, schema: &Schema) -> Option<Query> {
    let plain = schema.iter_values().all(|kind| !kind.is_nested());
    if !plain || !query.pipe_operators.is_empty() {
        return None;
    }
    let order = query.order_by.get_or_insert(OrderBy {
        kind: OrderByKind::Expressions(Vec::new()),
        interpolate: None,
    });
    let OrderByKind::Expressions(order) = &mut order.kind else {
        return None;
    };
    order.extend((1..=schema.len()).map(|column| OrderByExpr {
        expr: Expr::value(Value::Number(column.to_string(), false)),
        options: OrderByOptions {
            asc: None,
            nulls_first: None,
        },
        with_fill: None,
    }));
    Some(query)
}

fn makes_groups(query: &Query) -> bool {
    let mut tables = query.with.iter().flat_map(|with| &with.cte_tables);
    of_body(&query.body) || tables.any(|table| makes_groups(&table.query))
}

fn of_body(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let grouped = match &select.group_by {
                GroupByExpr::All(_) => true,
                GroupByExpr::Expressions(of, _) => !of.is_empty(),
            };
            let distinct = select.distinct.as_ref();
            let mut tables = select.from.iter().flat_map(|from| {
                let joined = from.joins.iter().map(|join| &join.relation);
                std::iter::once(&from.relation).chain(joined)
            });
            grouped
                || distinct.is_some_and(|distinct| *distinct != Distinct::All)
                || tables.any(|table| match table {
                    TableFactor::Derived { subquery, .. } => makes_groups(subquery),
                    _ => false,
                })
        }
        SetExpr::Query(query) => makes_groups(query),
        SetExpr::SetOperation { .. } => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::{DataFrame, IntoLazy, NamedFrom, Series};

    use super::*;

    fn context() -> SQLContext {
        let context = SQLContext::new();
        let kinds = Series::new("kind".into(), ["read", "write", "read"]);
        let numbers = Series::new("n".into(), [1i64, 2, 3]);
        let frame = DataFrame::new(3, vec![kinds.into(), numbers.into()]).unwrap();
        context.register("events", frame.lazy());
        context
    }

    #[test]
    fn only_groups_and_distinct_rows_are_ordered() {
        for (query, order) in [
            ("SELECT kind, n FROM events WHERE kind = 'group'", None),
            ("SELECT kind, n FROM events ORDER BY n LIMIT 1", None),
            ("SELECT count(*) FROM events", None),
            (
                "SELECT kind, count(*) AS c FROM events GROUP BY kind",
                Some("1, 2"),
            ),
            (
                "SELECT kind, count(*) AS c FROM events GROUP BY kind ORDER BY c DESC LIMIT 1",
                Some("c DESC, 1, 2 LIMIT 1"),
            ),
            ("SELECT DISTINCT kind FROM events", Some("1")),
            (
                "WITH g AS (SELECT kind FROM events GROUP BY kind) SELECT * FROM g",
                Some("1"),
            ),
            (
                "SELECT k FROM (SELECT DISTINCT kind AS k FROM events) AS d LIMIT 1",
                Some("1 LIMIT 1"),
            ),
            (
                "SELECT kind FROM events UNION SELECT kind FROM events",
                Some("1"),
            ),
        ] {
            let settled = settled(&mut context(), query).unwrap();
            match order {
                Some(order) => {
                    assert!(
                        settled.ends_with(&format!(" ORDER BY {order}")),
                        "{settled}"
                    );
                }
                None => assert_eq!(settled, query),
            }
            context().execute(&settled).unwrap().collect().unwrap();
        }
    }

    #[test]
    fn what_is_no_query_is_left_to_the_engine() {
        for query in ["SELEC", "SELECT kind FROM nowhere", ""] {
            assert_eq!(settled(&mut context(), query).unwrap(), query);
        }
    }
}
