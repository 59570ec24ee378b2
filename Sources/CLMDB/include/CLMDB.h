// Databases of LMDB over liblmdb, read only and without its lock file.
//
// Every function returns a clmdb_status; on anything but CLMDB_OK the outputs are untouched and `message` (of `message_size`
// bytes) holds one zero-terminated line. The file is mapped into memory: a damaged one can end the process with a signal, so
// files from elsewhere are tried in a helper process first. A handle is for one thread.
#ifndef CLMDB_H
#define CLMDB_H

#include <stddef.h>
#include <stdint.h>

typedef enum { CLMDB_OK = 0, CLMDB_END = 1, CLMDB_FAILED = 2 } clmdb_status;

typedef struct clmdb clmdb;

// The database at `path`: a folder that holds data.mdb, or such a file.
int clmdb_open(const char *path, int is_file, clmdb **out, char *message, size_t message_size);
// The next entry in the order of keys; CLMDB_END behind the last. Both are valid until the handle is closed.
int clmdb_next(clmdb *database, const uint8_t **key, size_t *key_size, const uint8_t **value, size_t *value_size,
               char *message, size_t message_size);
void clmdb_close(clmdb *database);

#endif
