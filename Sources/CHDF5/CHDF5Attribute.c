// Attributes.

#include "Internal.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static herr_t collect_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context) {
    (void)object, (void)info;
    return chdf5_strings_add_member(context, name) ? -1 : 0;
}

int chdf5_attribute_names(chdf5_id object, char **out, size_t *bytes) {
    chdf5_enter();
    chdf5_strings names = {0};
    hsize_t position = 0;
    herr_t result = H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, &position, collect_attribute, &names);
    return chdf5_strings_leave(&names, result < 0 ? chdf5_capture() : 0, out, bytes);
}

int chdf5_attribute_exists(chdf5_id object, const char *name, int *out) {
    chdf5_enter();
    htri_t exists = H5Aexists(object, name);
    if (exists < 0) return chdf5_leave(chdf5_capture());
    *out = exists > 0;
    return chdf5_leave(0);
}

static int read_attribute(void *context, chdf5_id memory_type, void *buffer) {
    hid_t attribute = *(chdf5_id *)context;
    return H5Aread(attribute, memory_type, buffer) < 0 ? chdf5_capture() : 0;
}

typedef struct {
    int kind, is_array;
    size_t count;
    void *data;
} value;

/// A single text, or a list of them, each followed by a NUL.
static int read_strings(chdf5_id attribute, hid_t type, hid_t space, size_t count, value *out) {
    chdf5_strings texts = {0};
    if (chdf5_unpack_strings(type, space, count, read_attribute, &attribute, &texts)) {
        free(texts.bytes);
        return 1;
    }
    void *bytes = texts.bytes ? texts.bytes : calloc(1, 1);
    if (!bytes) return chdf5_fail("no memory for an empty list");
    *out = (value){CHDF5_ATTRIBUTE_STRING, count != 1, texts.used, bytes};
    return 0;
}

/// uint64_t values that fit are handed over as int64_t, so that callers meet one kind of integer.
static int read_numbers(chdf5_id attribute, hid_t type, int kind, size_t count, value *out) {
    if (count > CHDF5_MAX_ATTRIBUTE_NUMBERS)
        return chdf5_fail("it claims %zu numbers; attributes of at most %d are read", count,
                          CHDF5_MAX_ATTRIBUTE_NUMBERS);
    void *data = calloc(count ? count : 1, 8);
    if (!data) return chdf5_fail("no memory for %zu numbers", count);
    int is_unsigned = kind == CHDF5_ATTRIBUTE_INTEGER && H5Tget_class(type) == H5T_INTEGER &&
                      H5Tget_sign(type) == H5T_SGN_NONE;
    hid_t memory = kind == CHDF5_ATTRIBUTE_DOUBLE ? H5T_NATIVE_DOUBLE
                   : is_unsigned                  ? H5T_NATIVE_UINT64
                                                  : H5T_NATIVE_INT64;
    if (read_attribute(&attribute, memory, data)) {
        free(data);
        return 1;
    }
    if (is_unsigned)
        for (size_t i = 0; i < count; i++)
            if (((uint64_t *)data)[i] > INT64_MAX) kind = CHDF5_ATTRIBUTE_UNSIGNED;
    out->kind = kind;
    out->count = count;
    out->data = data;
    return 0;
}

static int read_value(chdf5_id attribute, hid_t type, hid_t space, value *out) {
    if (H5Sget_simple_extent_type(space) == H5S_NULL) return chdf5_fail("it has a null data space: no value");
    hssize_t count = H5Sget_simple_extent_npoints(space);
    if (count < 0) return chdf5_capture();
    char name[32];
    int code = CHDF5_OTHER, numeric = 0;
    chdf5_classify(type, &code, &numeric, name, sizeof name);
    if (code == CHDF5_STRING) return read_strings(attribute, type, space, (size_t)count, out);
    if (!numeric) return chdf5_fail("it has the type %s, which is not read", name);
    out->is_array = H5Sget_simple_extent_ndims(space) > 0;
    int kind = H5Tget_class(type) == H5T_FLOAT ? CHDF5_ATTRIBUTE_DOUBLE : CHDF5_ATTRIBUTE_INTEGER;
    int status = read_numbers(attribute, type, kind, (size_t)count, out);
    if (!status && !out->is_array && strcmp(name, "boolean") == 0) out->kind = CHDF5_ATTRIBUTE_BOOLEAN;
    return status;
}

int chdf5_attribute_read(chdf5_id object, const char *name, int *kind, int *is_array, size_t *count, void **data) {
    chdf5_enter();
    value result = {0};
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    hid_t type = attribute < 0 ? -1 : H5Aget_type(attribute);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    int status = type < 0 || space < 0 ? chdf5_capture() : read_value(attribute, type, space, &result);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    if (attribute >= 0) H5Aclose(attribute);
    if (status) return chdf5_leave(status);
    *kind = result.kind;
    *is_array = result.is_array;
    *count = result.count;
    *data = result.data;
    return chdf5_leave(0);
}

/// The enumeration that h5py writes for numpy's bool.
static hid_t boolean_type(void) {
    hid_t type = H5Tenum_create(H5T_STD_I8LE);
    int8_t no = 0, yes = 1;
    if (type >= 0 && (H5Tenum_insert(type, "FALSE", &no) < 0 || H5Tenum_insert(type, "TRUE", &yes) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

static hid_t stored_type(int kind) {
    switch (kind) {
    case CHDF5_ATTRIBUTE_STRING: return chdf5_text_type();
    case CHDF5_ATTRIBUTE_INTEGER: return H5Tcopy(H5T_STD_I64LE);
    case CHDF5_ATTRIBUTE_UNSIGNED: return H5Tcopy(H5T_STD_U64LE);
    case CHDF5_ATTRIBUTE_DOUBLE: return H5Tcopy(H5T_IEEE_F64LE);
    case CHDF5_ATTRIBUTE_BOOLEAN: return boolean_type();
    default: return -1;
    }
}

static int write_strings(hid_t attribute, hid_t type, size_t count, const char *packed) {
    const char **pointers = calloc(count, sizeof *pointers);
    if (!pointers) return chdf5_fail("no memory for %zu strings", count);
    for (size_t i = 0; i < count; i++, packed += strlen(packed) + 1) pointers[i] = packed;
    herr_t result = H5Awrite(attribute, type, pointers);
    free(pointers);
    return result < 0 ? chdf5_capture() : 0;
}

static int write_value(hid_t attribute, hid_t type, int kind, size_t count, const void *data) {
    if (kind == CHDF5_ATTRIBUTE_STRING) return write_strings(attribute, type, count, data);
    herr_t result = -1;
    if (kind == CHDF5_ATTRIBUTE_INTEGER) result = H5Awrite(attribute, H5T_NATIVE_INT64, data);
    if (kind == CHDF5_ATTRIBUTE_UNSIGNED) result = H5Awrite(attribute, H5T_NATIVE_UINT64, data);
    if (kind == CHDF5_ATTRIBUTE_DOUBLE) result = H5Awrite(attribute, H5T_NATIVE_DOUBLE, data);
    if (kind == CHDF5_ATTRIBUTE_BOOLEAN) {
        int8_t flag = *(const int64_t *)data != 0;
        result = H5Awrite(attribute, type, &flag);
    }
    return result < 0 ? chdf5_capture() : 0;
}

int chdf5_attribute_write(chdf5_id object, const char *name, int kind, int is_array, size_t count, const void *data) {
    chdf5_enter();
    hsize_t length = count;
    hid_t type = stored_type(kind);
    hid_t space = is_array ? H5Screate_simple(1, &length, NULL) : H5Screate(H5S_SCALAR);
    hid_t creation = H5Pcreate(H5P_ATTRIBUTE_CREATE);
    int status = 0;
    if (type < 0 || space < 0 || creation < 0 || H5Pset_char_encoding(creation, H5T_CSET_UTF8) < 0)
        status = chdf5_capture();
    htri_t exists = status ? 0 : H5Aexists(object, name);
    if (exists < 0 || (exists > 0 && H5Adelete(object, name) < 0)) status = chdf5_capture();
    hid_t attribute = status ? -1 : H5Acreate2(object, name, type, space, creation, H5P_DEFAULT);
    if (!status && attribute < 0) status = chdf5_capture();
    if (!status && (count > 0 || !is_array)) status = write_value(attribute, type, kind, count, data);
    if (attribute >= 0) H5Aclose(attribute);
    if (creation >= 0) H5Pclose(creation);
    if (space >= 0) H5Sclose(space);
    if (type >= 0) H5Tclose(type);
    return chdf5_leave(status);
}
