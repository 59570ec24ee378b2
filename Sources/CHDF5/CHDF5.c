// Errors, files and types. Everything else is in CHDF5Object.c, CHDF5Dataset.c and CHDF5Attribute.c.

#include "Internal.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Errors

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char last_error[1024];

void chdf5_enter(void) {
    static int prepared = 0;
    pthread_mutex_lock(&gate);
    // At exit libhdf5 would close what is still open, and crash on a file whose writes have failed.
    // No code is ever loaded because a file or the environment asks for it.
    // And libhdf5 takes no locks (access_properties), whatever the environment says.
    if (!prepared) prepared = 1, H5dont_atexit(), H5PLset_loading_state(0), unsetenv("HDF5_USE_FILE_LOCKING");
    // The switch belongs to a thread's error stack, so one call at start would not silence other threads.
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    last_error[0] = 0;
}

int chdf5_leave(int status) {
    pthread_mutex_unlock(&gate);
    return status;
}

static herr_t keep_message(unsigned depth, const H5E_error2_t *error, void *context) {
    (void)context;
    if (depth >= 2) return 1;
    size_t used = strlen(last_error);
    if (error->desc && error->desc[0])
        snprintf(last_error + used, sizeof last_error - used, "%s%s", used ? "; " : "", error->desc);
    return 0;
}

int chdf5_capture(void) {
    if (!last_error[0]) H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_message, NULL);
    if (!last_error[0]) snprintf(last_error, sizeof last_error, "libhdf5 failed without a message");
    return 1;
}

int chdf5_fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_error, sizeof last_error, format, arguments);
    va_end(arguments);
    return 1;
}

void chdf5_error_text(char *buffer, size_t capacity) {
    if (capacity) snprintf(buffer, capacity, "%s", last_error);
}

void chdf5_free(void *memory) { free(memory); }

int chdf5_version(unsigned *major, unsigned *minor, unsigned *release) {
    chdf5_enter();
    return chdf5_leave(H5get_libversion(major, minor, release) < 0 ? chdf5_capture() : 0);
}

int chdf5_strings_append(chdf5_strings *strings, const char *text) {
    size_t length = strlen(text) + 1;
    if (length > CHDF5_MAX_TEXT || strings->used + length > CHDF5_MAX_TEXT)
        return chdf5_fail("it has more than %d MiB of text, which is not read", CHDF5_MAX_TEXT >> 20);
    if (strings->used + length > strings->capacity) {
        size_t capacity = 2 * strings->capacity + length + 256;
        char *bytes = realloc(strings->bytes, capacity);
        if (!bytes) return chdf5_fail("no memory for %zu bytes of names", capacity);
        strings->bytes = bytes;
        strings->capacity = capacity;
    }
    memcpy(strings->bytes + strings->used, text, length);
    strings->used += length;
    return 0;
}

int chdf5_strings_leave(chdf5_strings *strings, int status, char **out, size_t *bytes) {
    if (status) {
        free(strings->bytes);
    } else {
        *out = strings->bytes;
        *bytes = strings->used;
    }
    return chdf5_leave(status);
}

int chdf5_strings_add_member(chdf5_strings *strings, const char *name) {
    if (++strings->members > CHDF5_MAX_MEMBERS)
        return chdf5_fail("it has more than %d members, which are not read", CHDF5_MAX_MEMBERS);
    return chdf5_strings_append(strings, name);
}

// Files

/// Access properties that all files share; `latest` asks for the 1.10 format.
static hid_t access_properties(int latest) {
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access < 0) return access;
    H5F_libver_t low = latest ? H5F_LIBVER_V110 : H5F_LIBVER_EARLIEST;
    // Without locks: reading needs none, and what this program writes lies under a name of its own until it is whole, or
    // in the folder of a run, which is claimed. libhdf5 cannot do without where the file system has none.
    if (H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0 || H5Pset_libver_bounds(access, low, H5F_LIBVER_V110) < 0 ||
        H5Pset_file_locking(access, 0, 1) < 0) {
        H5Pclose(access);
        return -1;
    }
    return access;
}

/// Hands over the file that was opened or created with `access`, which is closed; fails where there is none.
static int hand_over(hid_t file, hid_t access, chdf5_id *out) {
    int status = file < 0 ? chdf5_capture() : 0;
    if (status == 0) *out = file;
    if (access >= 0) H5Pclose(access);
    return status;
}

int chdf5_file_open(const char *path, int swmr, chdf5_id *out) {
    chdf5_enter();
    hid_t access = access_properties(swmr);
    // A piece that is stored whole goes from the file to where it is wanted: libhdf5's cache of pieces would trust the
    // size that the index claims for it, and read past a shorter one.
    if (access >= 0 && H5Pset_cache(access, 0, 0, 0, 1.0) < 0) {
        H5Pclose(access);
        access = -1;
    }
    // A reader that meets half-written metadata tries again, nested inside further attempts: the default of 100 can
    // take minutes on a file that its writer left behind.
    int ready = access >= 0 && (!swmr || H5Pset_metadata_read_attempts(access, 8) >= 0);
    hid_t file = ready ? H5Fopen(path, swmr ? H5F_ACC_RDONLY | H5F_ACC_SWMR_READ : H5F_ACC_RDONLY, access) : -1;
    return chdf5_leave(hand_over(file, access, out));
}

/// A new name: libhdf5 takes two files in memory for the same file where their names agree. The lock is held.
static const char *name_in_memory(void) {
    static char name[64];
    static unsigned long long number = 0;
    snprintf(name, sizeof name, "memory-%llu", ++number);
    return name;
}

// libhdf5 would copy an image into the property list, then into the driver. These callbacks make both use the caller's
// bytes, which outlive them; nobody writes to them, for the file is opened for reading.

static void *image_malloc(size_t bytes, H5FD_file_image_op_t operation, void *image) {
    (void)bytes, (void)operation;
    return image;
}

static void *image_memcpy(void *to, const void *from, size_t bytes, H5FD_file_image_op_t operation, void *image) {
    (void)from, (void)bytes, (void)operation, (void)image;
    return to;
}

static void *image_realloc(void *memory, size_t bytes, H5FD_file_image_op_t operation, void *image) {
    (void)memory, (void)bytes, (void)operation, (void)image;
    return NULL;
}

static herr_t image_free(void *memory, H5FD_file_image_op_t operation, void *image) {
    (void)memory, (void)operation, (void)image;
    return 0;
}

static void *same_image(void *image) { return image; }

static herr_t keep_image(void *image) {
    (void)image;
    return 0;
}

int chdf5_file_open_image(const void *image, size_t bytes, chdf5_id *out) {
    chdf5_enter();
    hid_t access = access_properties(0);
    // libhdf5 takes the image through a pointer to non-const, and only reads it.
    void *source = (void *)(uintptr_t)image;
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, image_realloc, image_free,
                                             same_image,   keep_image,   source};
    int ready = access >= 0 && H5Pset_fapl_core(access, 1 << 16, 0) >= 0 &&
                H5Pset_file_image_callbacks(access, &callbacks) >= 0 && H5Pset_file_image(access, source, bytes) >= 0;
    hid_t file = ready ? H5Fopen(name_in_memory(), H5F_ACC_RDONLY, access) : -1;
    return chdf5_leave(hand_over(file, access, out));
}

/// Creates a file with its root group's times not stored.
static hid_t create_file(const char *path, unsigned flags, size_t user_block, hid_t access) {
    hid_t creation = H5Pcreate(H5P_FILE_CREATE);
    int ready = creation >= 0 && H5Pset_obj_track_times(creation, 0) >= 0 &&
                (user_block == 0 || H5Pset_userblock(creation, user_block) >= 0);
    hid_t file = ready ? H5Fcreate(path, flags, creation, access) : -1;
    if (file < 0) chdf5_capture();
    if (creation >= 0) H5Pclose(creation);
    return file;
}

static int create_with(const char *path, unsigned flags, size_t user_block, hid_t access, int ready, chdf5_id *out) {
    return hand_over(ready ? create_file(path, flags, user_block, access) : -1, access, out);
}

int chdf5_file_create(const char *path, int overwrite, chdf5_id *out) {
    chdf5_enter();
    hid_t access = access_properties(0);
    return chdf5_leave(create_with(path, overwrite ? H5F_ACC_TRUNC : H5F_ACC_EXCL, 0, access, access >= 0, out));
}

int chdf5_file_create_swmr(const char *path, chdf5_id *out) {
    chdf5_enter();
    hid_t access = access_properties(1);
    // Chunks that are full are not needed again: without this every data set would keep a mebibyte of them.
    int ready = access >= 0 && H5Pset_cache(access, 0, 521, 1 << 16, 1.0) >= 0;
    return chdf5_leave(create_with(path, H5F_ACC_EXCL, 0, access, ready, out));
}

// Memory of a file in memory: on huge pages where the system has them, because copying a large state into it would
// otherwise be mostly page faults. No image is ever given to these callbacks.

#define HUGE_PAGE ((size_t)2 << 20)

static void *core_malloc(size_t bytes, H5FD_file_image_op_t operation, void *context) {
    (void)operation, (void)context;
    if (bytes < HUGE_PAGE) return malloc(bytes);
    void *memory = NULL;
    if (posix_memalign(&memory, HUGE_PAGE, bytes)) return NULL;
    madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

static void *core_memcpy(void *to, const void *from, size_t bytes, H5FD_file_image_op_t operation, void *context) {
    (void)operation, (void)context;
    return memcpy(to, from, bytes);
}

static void *core_realloc(void *memory, size_t bytes, H5FD_file_image_op_t operation, void *context) {
    if (memory) return realloc(memory, bytes);
    return core_malloc(bytes, operation, context);
}

static herr_t core_free(void *memory, H5FD_file_image_op_t operation, void *context) {
    (void)operation, (void)context;
    free(memory);
    return 0;
}

int chdf5_file_create_core(size_t user_block, size_t expected, chdf5_id *out) {
    chdf5_enter();
    hid_t access = access_properties(0);
    // The driver's memory grows by this much at a time.
    size_t increment = expected > 1 << 16 ? expected : 1 << 16;
    H5FD_file_image_callbacks_t callbacks = {core_malloc, core_memcpy, core_realloc, core_free, NULL, NULL, NULL};
    int ready = access >= 0 && H5Pset_fapl_core(access, increment, 0) >= 0 &&
                H5Pset_file_image_callbacks(access, &callbacks) >= 0;
    return chdf5_leave(create_with(name_in_memory(), H5F_ACC_TRUNC, user_block, access, ready, out));
}

int chdf5_file_start_swmr_write(chdf5_id file) {
    chdf5_enter();
    return chdf5_leave(H5Fstart_swmr_write(file) < 0 ? chdf5_capture() : 0);
}

int chdf5_file_image(chdf5_id file, void *buffer, size_t room, size_t *out) {
    chdf5_enter();
    ssize_t bytes = H5Fflush(file, H5F_SCOPE_LOCAL) < 0 ? -1 : H5Fget_file_image(file, buffer, room);
    if (bytes < 0) return chdf5_leave(chdf5_capture());
    *out = (size_t)bytes;
    return chdf5_leave(0);
}

int chdf5_file_core_memory(chdf5_id file, size_t user_block, void **memory, size_t *bytes) {
    chdf5_enter();
    // The driver's memory is complete, and does not move any more, once all metadata are in it.
    if (H5Fflush(file, H5F_SCOPE_LOCAL) < 0) return chdf5_leave(chdf5_capture());
    ssize_t after_block = H5Fget_file_image(file, NULL, 0);
    void *place = NULL;
    if (after_block < 0 || H5Fget_vfd_handle(file, H5P_DEFAULT, &place) < 0) return chdf5_leave(chdf5_capture());
    if (!place || !*(void **)place) return chdf5_leave(chdf5_fail("the file is not in memory"));
    *memory = *(void **)place;
    *bytes = user_block + (size_t)after_block;
    return chdf5_leave(0);
}

int chdf5_open_count(size_t *out) {
    chdf5_enter();
    ssize_t count = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
    if (count < 0) return chdf5_leave(chdf5_capture());
    *out = (size_t)count;
    return chdf5_leave(0);
}

int chdf5_file_flush(chdf5_id file) {
    chdf5_enter();
    return chdf5_leave(H5Fflush(file, H5F_SCOPE_LOCAL) < 0 ? chdf5_capture() : 0);
}

int chdf5_file_close(chdf5_id file) {
    chdf5_enter();
    return chdf5_leave(H5Fclose(file) < 0 ? chdf5_capture() : 0);
}

// Types

chdf5_id chdf5_type_id(int type, int in_file) {
    switch (type) {
    case CHDF5_UINT8: return in_file ? H5T_STD_U8LE : H5T_NATIVE_UINT8;
    case CHDF5_INT32: return in_file ? H5T_STD_I32LE : H5T_NATIVE_INT32;
    case CHDF5_INT64: return in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64;
    case CHDF5_FLOAT32: return in_file ? H5T_IEEE_F32LE : H5T_NATIVE_FLOAT;
    case CHDF5_FLOAT64: return in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE;
    default: return -1;
    }
}

chdf5_id chdf5_text_type(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

/// Whether an enumeration is what h5py writes for numpy's bool.
static int is_boolean(hid_t type) {
    int8_t zero[1] = {0}, one[1] = {0};
    if (H5Tget_nmembers(type) != 2 || H5Tget_size(type) != sizeof zero) return 0;
    return H5Tenum_valueof(type, "FALSE", zero) >= 0 && H5Tenum_valueof(type, "TRUE", one) >= 0 && zero[0] == 0;
}

static int has_plain_order(hid_t type) {
    H5T_order_t order = H5Tget_order(type);
    return order == H5T_ORDER_LE || order == H5T_ORDER_BE;
}

/// Whether all bits of an integer count and it has a width that processors have.
static int is_plain_integer(hid_t type) {
    size_t bytes = H5Tget_size(type);
    if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8) return 0;
    return H5Tget_offset(type) == 0 && H5Tget_precision(type) == 8 * bytes && has_plain_order(type);
}

/// Whether a float is IEEE 754's of 16, 32 or 64 bits.
static int is_plain_float(hid_t type) {
    size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
    size_t bytes = H5Tget_size(type);
    size_t wanted = bytes == 2 ? 5 : bytes == 4 ? 8 : bytes == 8 ? 11 : 0;
    if (wanted == 0 || H5Tget_offset(type) != 0 || H5Tget_precision(type) != 8 * bytes) return 0;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0) return 0;
    return sign == 8 * bytes - 1 && exponent_bits == wanted && mantissa == 0 && exponent == mantissa_bits &&
           mantissa_bits == 8 * bytes - 1 - wanted && H5Tget_norm(type) == H5T_NORM_IMPLIED && has_plain_order(type) &&
           H5Tget_ebias(type) == ((size_t)1 << (wanted - 1)) - 1;
}

void chdf5_classify(chdf5_id type, int *code, int *numeric, char *name, size_t capacity) {
    size_t bits = 8 * H5Tget_size(type);
    int is_signed = 0;
    const char *word = "unknown";
    *code = CHDF5_OTHER;
    *numeric = 0;
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        if (!is_plain_integer(type)) {
            word = "integers of an unusual width or layout";
            break;
        }
        is_signed = H5Tget_sign(type) != H5T_SGN_NONE;
        *numeric = 1;
        if (!is_signed && bits == 8) *code = CHDF5_UINT8;
        if (is_signed && bits == 32) *code = CHDF5_INT32;
        if (is_signed && bits == 64) *code = CHDF5_INT64;
        snprintf(name, capacity, "%s%zu", is_signed ? "int" : "uint", bits);
        return;
    case H5T_FLOAT:
        if (!is_plain_float(type)) {
            word = "floats of an unusual layout";
            break;
        }
        *numeric = 1;
        if (bits == 32) *code = CHDF5_FLOAT32;
        if (bits == 64) *code = CHDF5_FLOAT64;
        snprintf(name, capacity, "float%zu", bits);
        return;
    case H5T_ENUM:
        *numeric = is_boolean(type);
        word = *numeric ? "boolean" : "enumeration";
        break;
    case H5T_STRING:
        *code = CHDF5_STRING;
        word = "string";
        break;
    case H5T_COMPOUND: word = "compound"; break;
    case H5T_ARRAY: word = "array"; break;
    case H5T_VLEN: word = "variable-length list"; break;
    case H5T_REFERENCE: word = "reference"; break;
    case H5T_BITFIELD: word = "bit field"; break;
    case H5T_OPAQUE: word = "opaque"; break;
    case H5T_TIME: word = "time"; break;
    default: break;
    }
    snprintf(name, capacity, "%s", word);
}

/// Ends a text of fixed length where its padding begins. With padding, unlike with a final NUL, a NUL may stand inside:
/// what follows it must not be lost.
static int trim_padding(char *text, size_t width, H5T_str_t padding) {
    size_t length = padding == H5T_STR_NULLTERM ? strlen(text) : width;
    if (padding != H5T_STR_NULLTERM)
        while (length && (!text[length - 1] || (padding == H5T_STR_SPACEPAD && text[length - 1] == ' '))) length--;
    text[length] = 0;
    return strlen(text) == length ? 0 : chdf5_fail("it holds a text with a NUL character inside, which is not read");
}

int chdf5_unpack_strings(chdf5_id type, chdf5_id space, size_t count, int (*read)(void *, chdf5_id, void *),
                         void *context, chdf5_strings *out) {
    int variable = H5Tis_variable_str(type) > 0;
    size_t width = variable ? sizeof(char *) : H5Tget_size(type);
    // Counts and widths of text are only claims yet.
    if (width == 0 || count > CHDF5_MAX_TEXT / width)
        return chdf5_fail("it claims %zu texts of %zu bytes; at most %d MiB of text are read", count, width,
                          CHDF5_MAX_TEXT >> 20);
    hid_t memory = H5Tcopy(H5T_C_S1);
    int status = 0;
    char *buffer = calloc(count ? count : 1, width);
    char *one = calloc(1, width + 1);
    if (!buffer || !one) status = chdf5_fail("no memory for %zu strings of %zu bytes", count, width);
    // Character set and padding must be the file's, or libhdf5 finds no conversion.
    if (!status && (memory < 0 || H5Tset_size(memory, variable ? H5T_VARIABLE : width) < 0 ||
                    H5Tset_cset(memory, H5Tget_cset(type)) < 0 || H5Tset_strpad(memory, H5Tget_strpad(type)) < 0))
        status = chdf5_capture();
    if (!status) status = read(context, memory, buffer);
    int filled = !status;
    for (size_t i = 0; i < count && !status; i++) {
        if (variable) {
            const char *text = NULL;
            memcpy(&text, buffer + i * width, sizeof text);
            status = chdf5_strings_append(out, text ? text : "");
            continue;
        }
        memcpy(one, buffer + i * width, width);
        status = trim_padding(one, width, H5Tget_strpad(type)) || chdf5_strings_append(out, one);
    }
    if (filled && variable) H5Dvlen_reclaim(memory, space, H5P_DEFAULT, buffer);
    if (memory >= 0) H5Tclose(memory);
    free(buffer);
    free(one);
    return status;
}
