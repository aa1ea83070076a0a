"""SQLite's own syncs of its journals, which can be made to fail."""

import apsw


class Journals(apsw.VFS):
    """Stands before the machine's file system: while it is `failing` no journal can be synced."""

    def __init__(self) -> None:
        self.failing = False
        super().__init__("failing", "", makedefault=True)

    def xOpen(self, name, flags):  # noqa: N802
        return _File(self, name, flags)


class _File(apsw.VFSFile):
    def __init__(self, journals, name, flags) -> None:
        self._journals, self._is_journal = journals, bool(flags[0] & apsw.SQLITE_OPEN_WAL)
        super().__init__("unix", name, flags)

    def xSync(self, flags):  # noqa: N802
        if self._is_journal and self._journals.failing:
            error = apsw.IOError("Input/output error")
            error.extendedresult = apsw.SQLITE_IOERR_FSYNC
            raise error
        return super().xSync(flags)
