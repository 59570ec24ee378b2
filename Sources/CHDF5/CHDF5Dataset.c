// Data sets.

#include "Internal.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int is_plugin(H5Z_filter_t filter) { return filter > H5Z_FILTER_SCALEOFFSET; }

/// How to make a file that is read of one with this filter.
static const char *way_out(H5Z_filter_t filter) {
    // Those that libhdf5 itself brings. Of others h5repack makes nothing, and ends with status 0.
    if (!is_plugin(filter)) return "rewrite it with h5repack -f GZIP=4 OLD.h5 NEW.h5";
    // Registered for LZF, which every h5py has.
    if (filter == 32000) return CHDF5_COPY("h5py");
    return "write it again without, or with gzip, in the program that made it; or, where hdf5plugin has the filter, "
           CHDF5_COPY("h5py, hdf5plugin");
}

/// Refuses what would read another file or run a filter that need not be there.
static int check_layout(hid_t creation) {
    H5D_layout_t layout = H5Pget_layout(creation);
    if (layout == H5D_VIRTUAL)
        return chdf5_fail("it is a virtual data set, whose data are in other files; with those in place, " CHDF5_COPY("h5py"));
    if (layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED && layout != H5D_COMPACT)
        return chdf5_fail("it has an unknown layout");
    if (H5Pget_external_count(creation) != 0)
        return chdf5_fail("its data are in other files, which are not read; with those in place, " CHDF5_COPY("h5py"));
    int filters = H5Pget_nfilters(creation);
    if (filters < 0) return chdf5_capture();
    H5Z_filter_t unread = H5Z_FILTER_NONE;
    char unread_name[64] = "";
    for (int i = 0; i < filters; i++) {
        unsigned flags = 0, configuration = 0;
        size_t values = 0;
        char name[64] = "";
        H5Z_filter_t filter =
            H5Pget_filter2(creation, (unsigned)i, &flags, &values, NULL, sizeof name, name, &configuration);
        if (filter < 0) return chdf5_capture();
        if (filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32) continue;
        // Of several, one that needs a plugin: what helps there helps with all.
        if (unread != H5Z_FILTER_NONE && (is_plugin(unread) || !is_plugin(filter))) continue;
        unread = filter;
        memcpy(unread_name, name, sizeof name - 1);
    }
    if (unread == H5Z_FILTER_NONE) return 0;
    unread_name[strcspn(unread_name, ";")] = 0;  // some go on with an address
    return chdf5_fail("it is stored with the filter %d (%s); only gzip (deflate), shuffle and fletcher32 are read: %s",
                      (int)unread, unread_name[0] ? unread_name : "unnamed", way_out(unread));
}

int chdf5_dataset_open(chdf5_id parent, const char *path, chdf5_id *out) {
    chdf5_enter();
    if (chdf5_require_hard(parent, path)) return chdf5_leave(1);
    hid_t access = chdf5_guarded(H5Pcreate(H5P_DATASET_ACCESS));
    hid_t dataset = access < 0 ? -1 : H5Dopen2(parent, path, access);
    int status = dataset < 0 ? chdf5_capture() : 0;
    hid_t creation = status ? -1 : H5Dget_create_plist(dataset);
    if (!status) status = creation < 0 ? chdf5_capture() : check_layout(creation);
    if (creation >= 0) H5Pclose(creation);
    if (access >= 0) H5Pclose(access);
    if (status && dataset >= 0) H5Dclose(dataset);
    if (!status) *out = dataset;
    return chdf5_leave(status);
}

static int prepare_creation(hid_t creation, int rank, const uint64_t *chunk, int deflate) {
    if (H5Pset_obj_track_times(creation, 0) < 0) return chdf5_capture();
    if (!chunk) return 0;
    hsize_t sizes[CHDF5_MAX_RANK];
    for (int i = 0; i < rank; i++) sizes[i] = chunk[i];
    if (H5Pset_chunk(creation, rank, sizes) < 0) return chdf5_capture();
    if (deflate < 0) return 0;
    return H5Pset_shuffle(creation) < 0 || H5Pset_deflate(creation, (unsigned)deflate) < 0 ? chdf5_capture() : 0;
}

static hid_t make_space(int rank, const uint64_t *dims, const uint64_t *max_dims) {
    hsize_t now[CHDF5_MAX_RANK], most[CHDF5_MAX_RANK];
    if (rank == 0) return H5Screate(H5S_SCALAR);
    for (int i = 0; i < rank; i++) {
        now[i] = dims[i];
        most[i] = max_dims ? (max_dims[i] == CHDF5_UNLIMITED ? H5S_UNLIMITED : max_dims[i]) : dims[i];
    }
    return H5Screate_simple(rank, now, most);
}

int chdf5_dataset_create(chdf5_id parent, const char *path, int type, int rank, const uint64_t *dims,
                         const uint64_t *max_dims, const uint64_t *chunk, int deflate, chdf5_id *out) {
    chdf5_enter();
    if (rank < 0 || rank > CHDF5_MAX_RANK)
        return chdf5_leave(chdf5_fail("%d dimensions, HDF5 allows %d", rank, CHDF5_MAX_RANK));
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    hid_t space = make_space(rank, dims, max_dims);
    hid_t text = type == CHDF5_STRING ? chdf5_text_type() : -1;
    hid_t element = type == CHDF5_STRING ? text : chdf5_type_id(type, 1);
    int status = 0;
    if (links < 0 || creation < 0 || space < 0 || element < 0 || H5Pset_create_intermediate_group(links, 1) < 0 ||
        H5Pset_char_encoding(links, H5T_CSET_UTF8) < 0)
        status = chdf5_capture();
    if (!status) status = prepare_creation(creation, rank, chunk, deflate);
    hid_t dataset = status ? -1 : H5Dcreate2(parent, path, element, space, links, creation, H5P_DEFAULT);
    if (!status && dataset < 0) status = chdf5_capture();
    if (text >= 0) H5Tclose(text);
    if (space >= 0) H5Sclose(space);
    if (creation >= 0) H5Pclose(creation);
    if (links >= 0) H5Pclose(links);
    if (!status) *out = dataset;
    return chdf5_leave(status);
}

int chdf5_dataset_close(chdf5_id dataset) {
    chdf5_enter();
    return chdf5_leave(H5Dclose(dataset) < 0 ? chdf5_capture() : 0);
}

static int read_shape(hid_t space, int *rank, hsize_t *dims, hsize_t *most) {
    H5S_class_t class = H5Sget_simple_extent_type(space);
    if (class == H5S_NULL) return chdf5_fail("it has a null data space: no elements and no shape");
    if (class == H5S_SCALAR) {
        *rank = 0;
        return 0;
    }
    *rank = H5Sget_simple_extent_dims(space, dims, most);
    return *rank < 0 ? chdf5_capture() : 0;
}

int chdf5_dataset_shape(chdf5_id dataset, int *rank, uint64_t *dims, uint64_t *max_dims, uint64_t *chunk) {
    chdf5_enter();
    hsize_t now[CHDF5_MAX_RANK] = {0}, most[CHDF5_MAX_RANK] = {0}, sizes[CHDF5_MAX_RANK] = {0};
    int dimensions = 0;
    hid_t space = H5Dget_space(dataset);
    hid_t creation = H5Dget_create_plist(dataset);
    int status = space < 0 || creation < 0 ? chdf5_capture() : read_shape(space, &dimensions, now, most);
    if (!status && H5Pget_layout(creation) == H5D_CHUNKED && H5Pget_chunk(creation, CHDF5_MAX_RANK, sizes) < 0)
        status = chdf5_capture();
    if (creation >= 0) H5Pclose(creation);
    if (space >= 0) H5Sclose(space);
    if (status) return chdf5_leave(status);
    *rank = dimensions;
    for (int i = 0; i < CHDF5_MAX_RANK; i++) {
        dims[i] = now[i];
        max_dims[i] = most[i] == H5S_UNLIMITED ? CHDF5_UNLIMITED : most[i];
        chunk[i] = sizes[i];
    }
    return chdf5_leave(0);
}

int chdf5_dataset_type(chdf5_id dataset, int *type, int *numeric, size_t *element_bytes, char *name, size_t capacity) {
    chdf5_enter();
    hid_t element = H5Dget_type(dataset);
    if (element < 0) return chdf5_leave(chdf5_capture());
    chdf5_classify(element, type, numeric, name, capacity);
    *element_bytes = H5Tget_size(element);
    H5Tclose(element);
    return chdf5_leave(0);
}

int chdf5_dataset_filters(chdf5_id dataset, int *out) {
    chdf5_enter();
    hid_t creation = H5Dget_create_plist(dataset);
    int filters = creation < 0 ? -1 : H5Pget_nfilters(creation);
    if (creation >= 0) H5Pclose(creation);
    if (filters < 0) return chdf5_leave(chdf5_capture());
    *out = filters;
    return chdf5_leave(0);
}

int chdf5_dataset_storage(chdf5_id dataset, uint64_t *out) {
    chdf5_enter();
    *out = H5Dget_storage_size(dataset);  // 0 is both "nothing stored" and "failed"; neither reads anything
    return chdf5_leave(0);
}

/// Selects a box in the file and makes a dense space of its size, or passes "everything" through.
static int select_box(hid_t dataset, int rank, const uint64_t *offset, const uint64_t *count, hid_t *file_space,
                      hid_t *memory_space) {
    *file_space = *memory_space = H5S_ALL;
    if (!offset || rank == 0) return 0;
    hsize_t start[CHDF5_MAX_RANK], size[CHDF5_MAX_RANK];
    for (int i = 0; i < rank; i++) start[i] = offset[i], size[i] = count[i];
    *file_space = H5Dget_space(dataset);
    *memory_space = H5Screate_simple(rank, size, NULL);
    if (*file_space < 0 || *memory_space < 0 ||
        H5Sselect_hyperslab(*file_space, H5S_SELECT_SET, start, NULL, size, NULL) < 0)
        return chdf5_capture();
    return 0;
}

static void close_box(hid_t file_space, hid_t memory_space) {
    if (file_space > 0) H5Sclose(file_space);
    if (memory_space > 0) H5Sclose(memory_space);
}

int chdf5_dataset_read(chdf5_id dataset, int memory_type, int rank, const uint64_t *offset, const uint64_t *count,
                       void *buffer) {
    chdf5_enter();
    hid_t file_space, memory_space;
    int status = select_box(dataset, rank, offset, count, &file_space, &memory_space);
    if (!status && H5Dread(dataset, chdf5_type_id(memory_type, 0), memory_space, file_space, H5P_DEFAULT, buffer) < 0)
        status = chdf5_capture();
    close_box(file_space, memory_space);
    return chdf5_leave(status);
}

int chdf5_dataset_write(chdf5_id dataset, int memory_type, int rank, const uint64_t *offset, const uint64_t *count,
                        const void *buffer) {
    chdf5_enter();
    hid_t file_space, memory_space;
    int status = select_box(dataset, rank, offset, count, &file_space, &memory_space);
    if (!status && H5Dwrite(dataset, chdf5_type_id(memory_type, 0), memory_space, file_space, H5P_DEFAULT, buffer) < 0)
        status = chdf5_capture();
    close_box(file_space, memory_space);
    return chdf5_leave(status);
}

static int read_all(void *context, chdf5_id memory_type, void *buffer) {
    hid_t dataset = *(chdf5_id *)context;
    return H5Dread(dataset, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer) < 0 ? chdf5_capture() : 0;
}

int chdf5_dataset_read_strings(chdf5_id dataset, char **out, size_t *bytes) {
    chdf5_enter();
    chdf5_strings strings = {0};
    hid_t type = H5Dget_type(dataset);
    hid_t space = H5Dget_space(dataset);
    int status = type < 0 || space < 0 ? chdf5_capture() : 0;
    hssize_t count = status ? 0 : H5Sget_simple_extent_npoints(space);
    if (!status && count < 0) status = chdf5_capture();
    if (!status) status = chdf5_unpack_strings(type, space, (size_t)count, read_all, &dataset, &strings);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return chdf5_strings_leave(&strings, status, out, bytes);
}

int chdf5_dataset_write_strings(chdf5_id dataset, const char *packed, size_t count) {
    chdf5_enter();
    const char **pointers = calloc(count ? count : 1, sizeof *pointers);
    if (!pointers) return chdf5_leave(chdf5_fail("no memory for %zu strings", count));
    for (size_t i = 0; i < count; i++) {
        pointers[i] = packed;
        packed += strlen(packed) + 1;
    }
    hid_t type = chdf5_text_type();
    int status = type < 0 ? chdf5_capture() : 0;
    if (!status && H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, pointers) < 0) status = chdf5_capture();
    if (type >= 0) H5Tclose(type);
    free(pointers);
    return chdf5_leave(status);
}

int chdf5_dataset_extend(chdf5_id dataset, const uint64_t *dims) {
    chdf5_enter();
    hsize_t sizes[CHDF5_MAX_RANK] = {0};
    hid_t space = H5Dget_space(dataset);
    int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
    if (space >= 0) H5Sclose(space);
    for (int i = 0; i < rank; i++) sizes[i] = dims[i];
    return chdf5_leave(rank < 0 || H5Dset_extent(dataset, sizes) < 0 ? chdf5_capture() : 0);
}

int chdf5_dataset_flush(chdf5_id dataset) {
    chdf5_enter();
    return chdf5_leave(H5Dflush(dataset) < 0 ? chdf5_capture() : 0);
}
