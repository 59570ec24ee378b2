// Archives over libarchive: zip and tar read from beginning to end, one member of a zip file read, a whole zip file made.
//
// Every function returns a carchive_status; on anything but CARCHIVE_OK the outputs are untouched and `message` (of
// `message_size` bytes) holds one zero-terminated line that says what was wrong. Buffers handed out belong to the caller,
// who returns them with carchive_free. No global state: every function may be called from any thread.
#ifndef CARCHIVE_H
#define CARCHIVE_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    CARCHIVE_OK = 0,
    CARCHIVE_MALFORMED = 1, // not a zip file, or a damaged one
    CARCHIVE_MISSING = 2,   // no member of that name, or none is left
    CARCHIVE_TOO_LARGE = 3, // the member has more bytes than the caller takes
    CARCHIVE_NO_MEMORY = 4,
    CARCHIVE_NOT_WRITTEN = 5 // the disk is full, say
} carchive_status;

// A member of the zip file at `path`: `name` compared by its bytes, at most `cap` bytes of content, stored or deflated.
// Memory grows with what is really there, whatever size the file claims.
int carchive_zip_read(
    const char *path, const char *name, size_t cap, uint8_t **out, size_t *out_count, char *message,
    size_t message_size);
// A zip file of `count` members, stored and without times: the same members give the same bytes.
int carchive_zip_write(
    int count, const char *const *names, const uint8_t *const *contents, const size_t *sizes, uint8_t **out,
    size_t *out_count, char *message, size_t message_size);
void carchive_free(void *memory);

// An archive that is being read: zip, or tar as it is or packed with gzip, bzip2, xz or zstd.
typedef struct carchive_reader carchive_reader;

typedef enum { CARCHIVE_FILE, CARCHIVE_FOLDER, CARCHIVE_LINK, CARCHIVE_DEVICE, CARCHIVE_ENCRYPTED } carchive_kind;

// A member. Nothing is known of its size where it is negative; the name is valid until the next call.
typedef struct {
    const char *name;
    carchive_kind kind;
    int64_t size;
} carchive_member;

int carchive_open(const char *path, carchive_reader **out, char *message, size_t message_size);
// The next member; CARCHIVE_MISSING at the end.
int carchive_next(carchive_reader *reader, carchive_member *out, char *message, size_t message_size);
// What is left of the content of the current member, at most `cap` bytes.
int carchive_content(
    carchive_reader *reader, size_t cap, uint8_t **out, size_t *out_count, char *message, size_t message_size);
// The next bytes of the content of the current member, as many as asked for; CARCHIVE_MALFORMED where it ends before.
int carchive_read(carchive_reader *reader, uint8_t *out, size_t count, char *message, size_t message_size);
void carchive_close(carchive_reader *reader);

// A zip file that is being written to a descriptor, which stays the caller's; members are stored, without times.
typedef struct carchive_writer carchive_writer;

int carchive_zip_begin(int descriptor, carchive_writer **out, char *message, size_t message_size);
// Begins a member of `size` bytes, which carchive_zip_append then gets.
int carchive_zip_member(carchive_writer *writer, const char *name, uint64_t size, char *message, size_t message_size);
int carchive_zip_append(
    carchive_writer *writer, const uint8_t *bytes, size_t count, char *message, size_t message_size);
// Ends the file where `whole` is set, and frees the writer in any case.
int carchive_zip_end(carchive_writer *writer, int whole, char *message, size_t message_size);

#endif
