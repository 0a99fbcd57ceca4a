"""Migration operations that wall organizations off in the database itself (docs/adr/0020-composite-keys.md).

A table that belongs to an organization gets UniqueInOrganization; a column that points to such a table gets
CompositeForeignKey, and its Django field says `db_constraint=False`. Then PostgreSQL refuses a row of one
organization that points into another, whoever wrote it.
"""

import re

from django.db.migrations.operations import RunSQL

_NAME = re.compile(r"[a-z_][a-z0-9_]*\Z")
_MAX_NAME_LENGTH = 63


class UniqueInOrganization(RunSQL):
    """UNIQUE (organization_id, id) stands on the table: what a CompositeForeignKey to it needs.

    It is also the index that reads by organization use.
    """

    def __init__(self, table: str) -> None:
        self._table = _checked(table)
        name = _constraint_name(table, "organization_id_id", "uniq")
        super().__init__(
            sql=f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" UNIQUE (organization_id, id)',
            reverse_sql=f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
        )

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """The call that makes this operation again."""
        return self.__class__.__name__, [self._table], {}


class CompositeForeignKey(RunSQL):
    """(organization_id, column) of the table refers to (organization_id, id) of to_table.

    Checked at COMMIT like Django's own keys; a NULL in the column refers to nothing. to_table needs
    UniqueInOrganization first.
    """

    def __init__(self, table: str, column: str, to_table: str) -> None:
        self._arguments = [_checked(table), _checked(column), _checked(to_table)]
        name = _constraint_name(table, column, "in_org_fk")
        super().__init__(
            sql=(
                f'ALTER TABLE "{table}" ADD CONSTRAINT "{name}" FOREIGN KEY (organization_id, "{column}") '
                f'REFERENCES "{to_table}" (organization_id, id) DEFERRABLE INITIALLY DEFERRED'
            ),
            reverse_sql=f'ALTER TABLE "{table}" DROP CONSTRAINT "{name}"',
        )

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """The call that makes this operation again."""
        return self.__class__.__name__, list(self._arguments), {}


class AppendOnly(RunSQL):
    """Rows of the table can be added and read; UPDATE and DELETE are refused by a trigger."""

    def __init__(self, table: str) -> None:
        self._table = _checked(table)
        function = f"{table}_is_append_only"
        super().__init__(
            sql=f"""
                CREATE FUNCTION "{function}"() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION '{table} is append-only' USING ERRCODE = 'restrict_violation'; END $$;
                CREATE TRIGGER "{table}_append_only" BEFORE UPDATE OR DELETE ON "{table}"
                FOR EACH ROW EXECUTE FUNCTION "{function}"();
            """,
            reverse_sql=f"""
                DROP TRIGGER "{table}_append_only" ON "{table}";
                DROP FUNCTION "{function}"();
            """,
        )

    def deconstruct(self) -> tuple[str, list[object], dict[str, object]]:
        """The call that makes this operation again."""
        return self.__class__.__name__, [self._table], {}


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError("not a plain table or column name")
    return name


def _constraint_name(table: str, column: str, suffix: str) -> str:
    name = f"{table}_{column}_{suffix}"
    if len(name) > _MAX_NAME_LENGTH:
        raise ValueError("the constraint's name would be cut off; shorten the table or column")
    return name
