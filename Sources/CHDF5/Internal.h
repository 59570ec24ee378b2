#pragma once
// Shared by the files of this shim only. No libhdf5 header here: the `.c` files include it themselves.

#include "CHDF5.h"

/// Takes the lock, silences libhdf5's own printing and forgets this thread's last failure.
void chdf5_enter(void);
/// Gives the lock back and passes `status` through.
int chdf5_leave(int status);
/// Keeps libhdf5's innermost messages for `chdf5_error_text`, unless a sentence is already kept. Returns 1.
int chdf5_capture(void);
/// For messages: how to make a plain copy of the data sets at the root of a file, whatever it takes to read them.
#define CHDF5_COPY(MODULES)                                                                                            \
    "make a plain copy with h5py (Debian package python3-h5py): python3 -c 'import " MODULES "; "                      \
    "a = h5py.File(\"OLD.h5\", \"r\"); b = h5py.File(\"NEW.h5\", \"x\"); "                                             \
    "[b.create_dataset(n, data=a[n][()], dtype=a[n].dtype) for n in a if hasattr(a[n], \"shape\")]'"
/// Keeps the shim's own sentence for `chdf5_error_text`. Returns 1.
int chdf5_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// A growing list of NUL-terminated strings in one block.
typedef struct {
    char *bytes;
    size_t used, capacity, members;
} chdf5_strings;

/// Appends; returns 0, or 1 where memory is short or all would be more than CHDF5_MAX_TEXT (the list is then still
/// valid).
int chdf5_strings_append(chdf5_strings *strings, const char *text);
/// The same for the name of a member or attribute, of which there are at most CHDF5_MAX_MEMBERS.
int chdf5_strings_add_member(chdf5_strings *strings, const char *name);
/// Hands the texts over where `status` is 0, frees them where it is not, and leaves with it.
int chdf5_strings_leave(chdf5_strings *strings, int status, char **out, size_t *bytes);

/// libhdf5's type for a CHDF5_ code; `in_file` chooses the little-endian form, else the machine's. -1 for others.
chdf5_id chdf5_type_id(int type, int in_file);
/// A new type, variable-length UTF-8: what h5py writes and reads as text. Negative on failure.
chdf5_id chdf5_text_type(void);
/// Adds to access properties (of a group, data set or link) that links into other files are refused. Passes a negative
/// identifier through; closes the properties and returns a negative one on failure.
chdf5_id chdf5_guarded(chdf5_id access);
/// What a path leads to, as chdf5_object_kind says it, for callers who hold the lock. With CHDF5_UNREADABLE the reason is
/// kept.
int chdf5_kind(chdf5_id parent, const char *path, int *out);
/// Fails, with the reason kept, unless `path` exists and every component of it is a hard link.
int chdf5_require_hard(chdf5_id parent, const char *path);
/// Reads strings (fixed or variable) of `count` elements into one packed block. `read` reads into a buffer with a
/// memory type; `space` is the data space to reclaim variable-length strings with.
int chdf5_unpack_strings(chdf5_id type, chdf5_id space, size_t count, int (*read)(void *, chdf5_id, void *),
                         void *context, chdf5_strings *out);
/// A word for a type: "float32", "boolean", "compound", … Sets `code` (CHDF5_…) and `numeric`.
void chdf5_classify(chdf5_id type, int *code, int *numeric, char *name, size_t capacity);
