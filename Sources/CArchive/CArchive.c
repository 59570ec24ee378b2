#include "CArchive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(carchive_status status, char *message, size_t message_size, struct archive *archive)
{
    const char *reason = archive != NULL ? archive_error_string(archive) : NULL;
    if (reason == NULL) reason = status == CARCHIVE_NO_MEMORY ? "no memory" : "damaged";
    if (message_size > 0) snprintf(message, message_size, "%s", reason);
    return status;
}

// Reads the content of the current member, in pieces that double up to one byte beyond cap.
static int read_content(
    struct archive *archive, size_t cap, uint8_t **out, size_t *out_count, char *message, size_t message_size)
{
    size_t capacity = cap < 65536 ? cap + 1 : 65536, count = 0;
    uint8_t *content = malloc(capacity);
    while (content != NULL) {
        const la_ssize_t got = archive_read_data(archive, content + count, capacity - count);
        if (got < 0) {
            free(content);
            return fail(CARCHIVE_MALFORMED, message, message_size, archive);
        }
        count += (size_t)got;
        if (got == 0) {
            *out = content;
            *out_count = count;
            return CARCHIVE_OK;
        }
        if (count > cap) {
            free(content);
            if (message_size > 0) snprintf(message, message_size, "more than %zu bytes", cap);
            return CARCHIVE_TOO_LARGE;
        }
        if (count < capacity) continue;
        capacity = capacity > cap / 2 ? cap + 1 : capacity * 2;
        uint8_t *grown = realloc(content, capacity);
        if (grown == NULL) free(content);
        content = grown;
    }
    return fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
}

int carchive_zip_read(
    const char *path, const char *name, size_t cap, uint8_t **out, size_t *out_count, char *message,
    size_t message_size)
{
    struct archive *archive = archive_read_new();
    if (archive == NULL) return fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
    int status = CARCHIVE_MISSING;
    if (archive_read_support_format_zip_seekable(archive) < ARCHIVE_WARN
        || archive_read_open_filename(archive, path, 1 << 16) != ARCHIVE_OK)
        status = fail(CARCHIVE_MALFORMED, message, message_size, archive);
    while (status == CARCHIVE_MISSING) {
        struct archive_entry *entry;
        const int result = archive_read_next_header(archive, &entry);
        if (result == ARCHIVE_EOF) {
            if (message_size > 0) snprintf(message, message_size, "holds no %s", name);
            break;
        }
        if (result < ARCHIVE_WARN) {
            status = fail(CARCHIVE_MALFORMED, message, message_size, archive);
            break;
        }
        const char *found = archive_entry_pathname(entry);
        if (found != NULL && strcmp(found, name) == 0) {
            status = read_content(archive, cap, out, out_count, message, message_size);
            break;
        }
    }
    archive_read_free(archive);
    return status;
}

static int write_member(struct archive *archive, const char *name, const uint8_t *content, size_t size)
{
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL) return 0;
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    const int written = archive_write_header(archive, entry) == ARCHIVE_OK
        && archive_write_data(archive, content, size) == (la_ssize_t)size
        && archive_write_finish_entry(archive) == ARCHIVE_OK;
    archive_entry_free(entry);
    return written;
}

int carchive_zip_write(
    int count, const char *const *names, const uint8_t *const *contents, const size_t *sizes, uint8_t **out,
    size_t *out_count, char *message, size_t message_size)
{
    // Headers of a member and its place in the directory take less than 512 bytes beside its name, twice.
    size_t capacity = 1024, used = 0;
    for (int i = 0; i < count; i++) capacity += sizes[i] + 2 * strlen(names[i]) + 512;
    uint8_t *memory = malloc(capacity);
    struct archive *archive = archive_write_new();
    int fine = memory != NULL && archive != NULL;
    if (!fine) {
        fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
    } else {
        fine = archive_write_set_format_zip(archive) == ARCHIVE_OK
            && archive_write_zip_set_compression_store(archive) == ARCHIVE_OK
            && archive_write_set_bytes_per_block(archive, 0) == ARCHIVE_OK
            && archive_write_open_memory(archive, memory, capacity, &used) == ARCHIVE_OK;
        for (int i = 0; fine && i < count; i++) fine = write_member(archive, names[i], contents[i], sizes[i]);
        fine = fine && archive_write_close(archive) == ARCHIVE_OK;
        if (!fine) fail(CARCHIVE_MALFORMED, message, message_size, archive);
    }
    if (archive != NULL) archive_write_free(archive);
    if (!fine) {
        free(memory);
        return CARCHIVE_MALFORMED;
    }
    *out = memory;
    *out_count = used;
    return CARCHIVE_OK;
}

void carchive_free(void *memory) { free(memory); }

struct carchive_reader {
    struct archive *archive;
};

int carchive_open(const char *path, carchive_reader **out, char *message, size_t message_size)
{
    carchive_reader *reader = calloc(1, sizeof *reader);
    struct archive *archive = archive_read_new();
    if (reader == NULL || archive == NULL) {
        free(reader);
        archive_read_free(archive);
        return fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
    }
    reader->archive = archive;
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_bzip2(archive);
    archive_read_support_filter_xz(archive);
    archive_read_support_filter_zstd(archive);
    archive_read_support_format_tar(archive);
    archive_read_support_format_zip_seekable(archive);
    if (archive_read_open_filename(archive, path, 1 << 18) != ARCHIVE_OK) {
        const int status = fail(CARCHIVE_MALFORMED, message, message_size, archive);
        carchive_close(reader);
        return status;
    }
    *out = reader;
    return CARCHIVE_OK;
}

static carchive_kind kind_of(struct archive_entry *entry)
{
    if (archive_entry_is_data_encrypted(entry) || archive_entry_is_metadata_encrypted(entry)) return CARCHIVE_ENCRYPTED;
    if (archive_entry_hardlink(entry) != NULL || archive_entry_symlink(entry) != NULL) return CARCHIVE_LINK;
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG: return CARCHIVE_FILE;
    case AE_IFDIR: return CARCHIVE_FOLDER;
    case AE_IFLNK: return CARCHIVE_LINK;
    default: return CARCHIVE_DEVICE;
    }
}

int carchive_next(carchive_reader *reader, carchive_member *out, char *message, size_t message_size)
{
    struct archive_entry *entry;
    const int result = archive_read_next_header(reader->archive, &entry);
    if (result == ARCHIVE_EOF) return CARCHIVE_MISSING;
    if (result < ARCHIVE_WARN) return fail(CARCHIVE_MALFORMED, message, message_size, reader->archive);
    // Names that are marked as UTF-8 are not to be had otherwise in a locale without it; others are bytes.
    const char *name = archive_entry_pathname_utf8(entry);
    if (name == NULL) name = archive_entry_pathname(entry);
    if (name == NULL) {
        if (message_size > 0) snprintf(message, message_size, "a member without a name that can be read");
        return CARCHIVE_MALFORMED;
    }
    *out = (carchive_member){name, kind_of(entry), archive_entry_size_is_set(entry) ? archive_entry_size(entry) : -1};
    return CARCHIVE_OK;
}

int carchive_content(
    carchive_reader *reader, size_t cap, uint8_t **out, size_t *out_count, char *message, size_t message_size)
{
    return read_content(reader->archive, cap, out, out_count, message, message_size);
}

int carchive_read(carchive_reader *reader, uint8_t *out, size_t count, char *message, size_t message_size)
{
    while (count > 0) {
        const la_ssize_t got = archive_read_data(reader->archive, out, count);
        if (got < 0) return fail(CARCHIVE_MALFORMED, message, message_size, reader->archive);
        if (got == 0) {
            if (message_size > 0) snprintf(message, message_size, "ends %zu bytes too early", count);
            return CARCHIVE_MALFORMED;
        }
        out += got;
        count -= (size_t)got;
    }
    return CARCHIVE_OK;
}

void carchive_close(carchive_reader *reader)
{
    if (reader == NULL) return;
    archive_read_free(reader->archive);
    free(reader);
}

struct carchive_writer {
    struct archive *archive;
};

int carchive_zip_begin(int descriptor, carchive_writer **out, char *message, size_t message_size)
{
    carchive_writer *writer = calloc(1, sizeof *writer);
    struct archive *archive = archive_write_new();
    if (writer == NULL || archive == NULL) {
        free(writer);
        archive_write_free(archive);
        return fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
    }
    if (archive_write_set_format_zip(archive) != ARCHIVE_OK
        || archive_write_zip_set_compression_store(archive) != ARCHIVE_OK
        || archive_write_set_bytes_in_last_block(archive, 1) != ARCHIVE_OK
        || archive_write_open_fd(archive, descriptor) != ARCHIVE_OK) {
        const int status = fail(CARCHIVE_NOT_WRITTEN, message, message_size, archive);
        archive_write_free(archive);
        free(writer);
        return status;
    }
    writer->archive = archive;
    *out = writer;
    return CARCHIVE_OK;
}

int carchive_zip_member(carchive_writer *writer, const char *name, uint64_t size, char *message, size_t message_size)
{
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL) return fail(CARCHIVE_NO_MEMORY, message, message_size, NULL);
    archive_entry_set_pathname(entry, name);
    archive_entry_set_size(entry, (la_int64_t)size);
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    const int written = archive_write_header(writer->archive, entry) == ARCHIVE_OK;
    archive_entry_free(entry);
    return written ? CARCHIVE_OK : fail(CARCHIVE_NOT_WRITTEN, message, message_size, writer->archive);
}

int carchive_zip_append(carchive_writer *writer, const uint8_t *bytes, size_t count, char *message, size_t message_size)
{
    if (archive_write_data(writer->archive, bytes, count) == (la_ssize_t)count) return CARCHIVE_OK;
    return fail(CARCHIVE_NOT_WRITTEN, message, message_size, writer->archive);
}

int carchive_zip_end(carchive_writer *writer, int whole, char *message, size_t message_size)
{
    int status = CARCHIVE_OK;
    if (whole && archive_write_close(writer->archive) != ARCHIVE_OK)
        status = fail(CARCHIVE_NOT_WRITTEN, message, message_size, writer->archive);
    if (!whole) archive_write_fail(writer->archive);
    archive_write_free(writer->archive);
    free(writer);
    return status;
}
