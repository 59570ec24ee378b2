#pragma once
// Shim over libhdf5 (serial, 1.10): the macros that Swift cannot import, and one funnel for errors.
//
// Contract of every function that returns `int`: 0 is success, anything else is failure; on failure the `out`
// parameters are untouched and `chdf5_error_text` tells why, for the calling thread. Identifiers (`chdf5_id`) are
// owned by the caller, who closes them with the matching `_close`. Memory returned through `void **` or `char **` is
// owned by the caller and released with `chdf5_free`, which accepts NULL. Paths and names are UTF-8, NUL-terminated.
// All functions may be called from any thread: one lock serialises them.

#include <stddef.h>
#include <stdint.h>

typedef int64_t chdf5_id;

/// The largest number of dimensions that HDF5 allows.
#define CHDF5_MAX_RANK 32
/// Most bytes of text that an attribute, a data set of text or a list of names may have.
#define CHDF5_MAX_TEXT (16 << 20)
/// Most numbers that an attribute may have.
#define CHDF5_MAX_ATTRIBUTE_NUMBERS (1 << 20)
/// Most members of a group, and most attributes of an object.
#define CHDF5_MAX_MEMBERS (1 << 16)
/// Stands for "no limit" in `max_dims`.
#define CHDF5_UNLIMITED UINT64_MAX

/// Types of elements, in memory or in a file. CHDF5_OTHER is a file's type that is none of these.
enum {
    CHDF5_UINT8 = 0,
    CHDF5_INT32 = 1,
    CHDF5_INT64 = 2,
    CHDF5_FLOAT32 = 3,
    CHDF5_FLOAT64 = 4,
    CHDF5_STRING = 5,
    CHDF5_OTHER = 6
};

/// Kinds of attributes. INTEGER and BOOLEAN arrive as int64_t, UNSIGNED as uint64_t (only when a value exceeds
/// INT64_MAX), DOUBLE as double, STRING as texts, each followed by a NUL.
enum {
    CHDF5_ATTRIBUTE_STRING = 0,
    CHDF5_ATTRIBUTE_INTEGER = 1,
    CHDF5_ATTRIBUTE_UNSIGNED = 2,
    CHDF5_ATTRIBUTE_DOUBLE = 3,
    CHDF5_ATTRIBUTE_BOOLEAN = 4
};

/// Kinds of objects that a path may lead to.
enum { CHDF5_MISSING = 0, CHDF5_GROUP = 1, CHDF5_DATASET = 2, CHDF5_NAMED_TYPE = 3, CHDF5_UNREADABLE = 4 };

/// Why the last failed call of this thread failed: libhdf5's two innermost messages, or the shim's own sentence.
/// Always NUL-terminated; cut off at `capacity`.
void chdf5_error_text(char *buffer, size_t capacity);
void chdf5_free(void *memory);
/// Version of the library that runs.
int chdf5_version(unsigned *major, unsigned *minor, unsigned *release);

// Files. Locks are taken as libhdf5 takes them by default. Closing a file closes everything opened through it.

/// Opens for reading; with `swmr`, a file that one writer may be appending to or has left behind without closing.
int chdf5_file_open(const char *path, int swmr, chdf5_id *out);
/// Opens a file image for reading. The bytes are not copied: they must stay, unchanged, until the file is closed.
int chdf5_file_open_image(const void *image, size_t bytes, chdf5_id *out);
/// Creates for writing, in the earliest format that serves; fails where the file exists unless `overwrite`.
int chdf5_file_create(const char *path, int overwrite, chdf5_id *out);
/// Creates (never overwrites) in the format of 1.10 that one writer and many readers can share.
int chdf5_file_create_swmr(const char *path, chdf5_id *out);
/// Creates in memory; nothing reaches a disk. The first `user_block` bytes (0, or a power of two from 512) are kept
/// free for the caller. Memory grows by `expected` bytes at a time: once only, where that is the size to come.
int chdf5_file_create_core(size_t user_block, size_t expected, chdf5_id *out);
int chdf5_file_start_swmr_write(chdf5_id file);
/// The number of bytes of the file as they would lie on disk after the user block; and, unless `buffer` is NULL, these
/// bytes, for which there must be room.
int chdf5_file_image(chdf5_id file, void *buffer, size_t room, size_t *out);
/// Where a file made with chdf5_file_create_core lies in memory, user block included: libhdf5's own memory, which stays
/// in place until something is written to the file or it is closed.
int chdf5_file_core_memory(chdf5_id file, size_t user_block, void **memory, size_t *bytes);
/// Files, groups, data sets, attributes and types that this process has open.
int chdf5_open_count(size_t *out);
int chdf5_file_flush(chdf5_id file);
int chdf5_file_close(chdf5_id file);

// Groups and links. `parent` is a file, a group or a data set; `path` may have several components. Only hard links are
// followed: soft links and links into other files are refused.

int chdf5_group_open(chdf5_id parent, const char *path, chdf5_id *out);
/// Creates missing groups on the way.
int chdf5_group_create(chdf5_id parent, const char *path, chdf5_id *out);
int chdf5_group_close(chdf5_id group);
/// Names of the links in a group, in order, each followed by a NUL, `bytes` in all.
int chdf5_group_names(chdf5_id group, char **out, size_t *bytes);
/// What a path leads to; a missing component on the way is CHDF5_MISSING, not a failure.
int chdf5_object_kind(chdf5_id parent, const char *path, int *out);

// Data sets.

/// Refuses data kept in other files, virtual ones, and filters other than deflate, shuffle and fletcher32.
int chdf5_dataset_open(chdf5_id parent, const char *path, chdf5_id *out);
/// `max_dims` and `chunk` may be NULL: fixed size, contiguous. `deflate` below 0: uncompressed. Times are not stored.
int chdf5_dataset_create(chdf5_id parent, const char *path, int type, int rank, const uint64_t *dims,
                         const uint64_t *max_dims, const uint64_t *chunk, int deflate, chdf5_id *out);
int chdf5_dataset_close(chdf5_id dataset);
/// `dims`, `max_dims` and `chunk` have room for CHDF5_MAX_RANK; `chunk` is all zero where the data set is contiguous.
int chdf5_dataset_shape(chdf5_id dataset, int *rank, uint64_t *dims, uint64_t *max_dims, uint64_t *chunk);
/// `name` (capacity bytes) gets a word such as "uint16" or "compound". `numeric` is nonzero where reads as numbers work.
int chdf5_dataset_type(chdf5_id dataset, int *type, int *numeric, size_t *element_bytes, char *name, size_t capacity);
/// Number of filters (compression, shuffling, check sums) that the data go through.
int chdf5_dataset_filters(chdf5_id dataset, int *out);
/// Whether every chunk that is stored has, once decompressed, the length that a chunk has. libhdf5 does not look.
int chdf5_dataset_check_chunks(chdf5_id dataset);
/// Bytes that the data take in the file.
int chdf5_dataset_storage(chdf5_id dataset, uint64_t *out);
/// Reads or writes the box [offset, offset + count), or everything where both are NULL. `buffer` is dense, row-major.
int chdf5_dataset_read(chdf5_id dataset, int memory_type, int rank, const uint64_t *offset, const uint64_t *count,
                       void *buffer);
int chdf5_dataset_write(chdf5_id dataset, int memory_type, int rank, const uint64_t *offset, const uint64_t *count,
                        const void *buffer);
/// All strings, row-major, each followed by a NUL, `bytes` in all.
int chdf5_dataset_read_strings(chdf5_id dataset, char **out, size_t *bytes);
/// Writes `count` strings, given one after the other, each followed by a NUL, to the whole data set.
int chdf5_dataset_write_strings(chdf5_id dataset, const char *packed, size_t count);
int chdf5_dataset_extend(chdf5_id dataset, const uint64_t *dims);
int chdf5_dataset_flush(chdf5_id dataset);

// Attributes of a group or data set.

/// Names, each followed by a NUL, `bytes` in all.
int chdf5_attribute_names(chdf5_id object, char **out, size_t *bytes);
int chdf5_attribute_exists(chdf5_id object, const char *name, int *out);
/// `count` is the number of elements, or the bytes of all texts with their NULs; `data` is freed by the caller. One text
/// is no list, whatever its shape.
int chdf5_attribute_read(chdf5_id object, const char *name, int *kind, int *is_array, size_t *count, void **data);
/// Replaces an attribute of that name by `count` elements. `data` as chdf5_attribute_read gives it.
int chdf5_attribute_write(chdf5_id object, const char *name, int kind, int is_array, size_t count, const void *data);
