// Chunks of a data set that is compressed: libhdf5 1.10 takes their length after decompression on trust, and reads past the
// end of those that are shorter than a chunk.

#include "Internal.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/// Length of what `bytes` of `data` inflate to, counted up to `most`; 0 where they are no whole zlib stream.
static size_t inflated_length(const unsigned char *data, size_t bytes, size_t most) {
    z_stream stream;
    memset(&stream, 0, sizeof stream);
    if (bytes > UINT32_MAX || inflateInit(&stream) != Z_OK) return 0;
    unsigned char out[1 << 15];
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (unsigned)bytes;
    int status = Z_OK;
    while (status == Z_OK && stream.total_out <= most) {
        stream.next_out = out;
        stream.avail_out = sizeof out;
        status = inflate(&stream, Z_NO_FLUSH);
    }
    size_t length = stream.total_out;
    inflateEnd(&stream);
    return status == Z_STREAM_END || length > most ? length : 0;
}

/// Length of a stored chunk after its filters, undone from the last to the first. Filters whose bit is set in `skipped`
/// were left out for this chunk.
static size_t decoded_length(const unsigned char *data, size_t bytes, hid_t creation, unsigned skipped, size_t most) {
    size_t length = bytes;
    int inflated = 0;
    for (int i = H5Pget_nfilters(creation) - 1; i >= 0; i--) {
        if (skipped & (1u << i)) continue;
        unsigned flags = 0, configuration = 0;
        size_t values = 0;
        H5Z_filter_t filter = H5Pget_filter2(creation, (unsigned)i, &flags, &values, NULL, 0, NULL, &configuration);
        if (filter == H5Z_FILTER_FLETCHER32) {
            if (length < 4) return 0;
            length -= 4;
        } else if (filter == H5Z_FILTER_DEFLATE) {
            if (inflated++) return 0;
            length = inflated_length(data, length, most + 4);
        }
    }
    return length;
}

static herr_t is_absence(unsigned depth, const H5E_error2_t *error, void *absent) {
    (void)depth;
    if (error->desc && strcmp(error->desc, "chunk storage is not allocated") == 0) *(int *)absent = 1;
    return 0;
}

/// Checks the chunk at `offset`; the lock is held.
static int check_chunk(hid_t dataset, hid_t creation, const hsize_t *offset, size_t expected) {
    hsize_t bytes = 0;
    // H5Dget_chunk_info_by_coord would look at every chunk before this one.
    if (H5Dget_chunk_storage_size(dataset, offset, &bytes) < 0) {
        // So 1.10 says that a chunk is not stored; it reads as the fill value.
        int absent = 0;
        H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, is_absence, &absent);
        return absent ? 0 : chdf5_capture();
    }
    if (bytes == 0) return 0;
    if (bytes > 4 * (hsize_t)expected + (1 << 16)) return chdf5_fail("a chunk of it is longer than it can be");
    unsigned char *data = malloc(bytes);
    if (!data) return chdf5_fail("no memory for a chunk of %llu bytes", (unsigned long long)bytes);
    uint32_t mask = 0;
    int status = H5Dread_chunk(dataset, H5P_DEFAULT, offset, &mask, data) < 0 ? chdf5_capture() : 0;
    if (!status && decoded_length(data, bytes, creation, mask, expected) != expected)
        status = chdf5_fail("a chunk of it does not hold the %zu bytes that a chunk has", expected);
    free(data);
    return status;
}

static int check_chunks(hid_t dataset, hid_t creation, hid_t space, hid_t type) {
    hsize_t shape[CHDF5_MAX_RANK], chunk[CHDF5_MAX_RANK], offset[CHDF5_MAX_RANK] = {0};
    int rank = H5Sget_simple_extent_dims(space, shape, NULL);
    if (rank < 1 || H5Pget_chunk(creation, CHDF5_MAX_RANK, chunk) != rank) return chdf5_capture();
    size_t expected = H5Tget_size(type);
    for (int i = 0; i < rank; i++) {
        if (shape[i] == 0) return 0;
        // libhdf5 allows no chunk of 4 GiB.
        if (chunk[i] == 0 || __builtin_mul_overflow(expected, chunk[i], &expected) || expected > UINT32_MAX)
            return chdf5_fail("it has chunks of an impossible size");
    }
    for (;;) {
        if (check_chunk(dataset, creation, offset, expected)) return 1;
        int axis = rank - 1;
        while (axis >= 0 && (offset[axis] += chunk[axis]) >= shape[axis]) offset[axis--] = 0;
        if (axis < 0) return 0;
    }
}

int chdf5_dataset_check_chunks(chdf5_id dataset) {
    chdf5_enter();
    hid_t creation = H5Dget_create_plist(dataset), space = H5Dget_space(dataset), type = H5Dget_type(dataset);
    int status = 0;
    if (creation < 0 || space < 0 || type < 0) status = chdf5_capture();
    else if (H5Pget_layout(creation) == H5D_CHUNKED) status = check_chunks(dataset, creation, space, type);
    if (type >= 0) H5Tclose(type);
    if (space >= 0) H5Sclose(space);
    if (creation >= 0) H5Pclose(creation);
    return chdf5_leave(status);
}
