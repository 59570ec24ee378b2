#include "CLMDB.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>

struct clmdb {
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_cursor *cursor;
};

static int fail(int code, char *message, size_t message_size)
{
    if (message_size > 0) snprintf(message, message_size, "%s", mdb_strerror(code));
    return CLMDB_FAILED;
}

int clmdb_open(const char *path, int is_file, clmdb **out, char *message, size_t message_size)
{
    clmdb *database = calloc(1, sizeof *database);
    if (database == NULL) return fail(ENOMEM, message, message_size);
    MDB_dbi table;
    int code = mdb_env_create(&database->environment);
    const unsigned flags = MDB_RDONLY | MDB_NOLOCK | (is_file ? MDB_NOSUBDIR : 0);
    if (code == 0) code = mdb_env_open(database->environment, path, flags, 0444);
    if (code == 0) code = mdb_txn_begin(database->environment, NULL, MDB_RDONLY, &database->transaction);
    if (code == 0) code = mdb_dbi_open(database->transaction, NULL, 0, &table);
    if (code == 0) code = mdb_cursor_open(database->transaction, table, &database->cursor);
    if (code != 0) {
        clmdb_close(database);
        return fail(code, message, message_size);
    }
    *out = database;
    return CLMDB_OK;
}

int clmdb_next(clmdb *database, const uint8_t **key, size_t *key_size, const uint8_t **value, size_t *value_size,
               char *message, size_t message_size)
{
    MDB_val name, content;
    const int code = mdb_cursor_get(database->cursor, &name, &content, MDB_NEXT);
    if (code == MDB_NOTFOUND) return CLMDB_END;
    if (code != 0) return fail(code, message, message_size);
    *key = name.mv_data;
    *key_size = name.mv_size;
    *value = content.mv_data;
    *value_size = content.mv_size;
    return CLMDB_OK;
}

void clmdb_close(clmdb *database)
{
    if (database == NULL) return;
    if (database->cursor != NULL) mdb_cursor_close(database->cursor);
    if (database->transaction != NULL) mdb_txn_abort(database->transaction);
    if (database->environment != NULL) mdb_env_close(database->environment);
    free(database);
}
