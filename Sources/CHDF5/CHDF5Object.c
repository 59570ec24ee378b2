// Groups and links.

#include "Internal.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/// Called by libhdf5 before it follows a link into another file: never.
static herr_t refuse_external(const char *parent_file, const char *parent_group, const char *child_file,
                              const char *child_object, unsigned *flags, hid_t access, void *context) {
    (void)parent_file, (void)parent_group, (void)flags, (void)access, (void)context;
    chdf5_fail("it is a link into another file (%s:%s), which is not followed", child_file, child_object);
    return -1;
}

chdf5_id chdf5_guarded(chdf5_id access) {
    if (access >= 0 && H5Pset_elink_cb(access, refuse_external, NULL) < 0) {
        H5Pclose(access);
        return -1;
    }
    return access;
}

int chdf5_group_open(chdf5_id parent, const char *path, chdf5_id *out) {
    chdf5_enter();
    if (chdf5_require_hard(parent, path)) return chdf5_leave(1);
    hid_t access = chdf5_guarded(H5Pcreate(H5P_GROUP_ACCESS));
    hid_t group = access < 0 ? -1 : H5Gopen2(parent, path, access);
    int status = group < 0 ? chdf5_capture() : 0;
    if (access >= 0) H5Pclose(access);
    if (!status) *out = group;
    return chdf5_leave(status);
}

int chdf5_group_create(chdf5_id parent, const char *path, chdf5_id *out) {
    chdf5_enter();
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t creation = H5Pcreate(H5P_GROUP_CREATE);
    int ready = links >= 0 && creation >= 0 && H5Pset_create_intermediate_group(links, 1) >= 0 &&
                H5Pset_char_encoding(links, H5T_CSET_UTF8) >= 0 && H5Pset_obj_track_times(creation, 0) >= 0;
    hid_t group = ready ? H5Gcreate2(parent, path, links, creation, H5P_DEFAULT) : -1;
    int status = group < 0 ? chdf5_capture() : 0;
    if (links >= 0) H5Pclose(links);
    if (creation >= 0) H5Pclose(creation);
    if (!status) *out = group;
    return chdf5_leave(status);
}

int chdf5_group_close(chdf5_id group) {
    chdf5_enter();
    return chdf5_leave(H5Gclose(group) < 0 ? chdf5_capture() : 0);
}

static herr_t collect_link(hid_t group, const char *name, const H5L_info_t *info, void *context) {
    (void)group, (void)info;
    return chdf5_strings_add_member(context, name) ? -1 : 0;
}

int chdf5_group_names(chdf5_id group, char **out, size_t *bytes) {
    chdf5_enter();
    chdf5_strings names = {0};
    herr_t result = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect_link, &names);
    return chdf5_strings_leave(&names, result < 0 ? chdf5_capture() : 0, out, bytes);
}

/// What stands at `path`: CHDF5_MISSING where a component does not exist, CHDF5_UNREADABLE where one is no hard link
/// (the reason is then kept for `chdf5_error_text`), else the object's kind.
static int kind_of(chdf5_id parent, const char *path, char *prefix, hid_t access, int *out) {
    size_t length = strlen(path);
    memcpy(prefix, path, length + 1);
    *out = CHDF5_MISSING;
    // Every component is looked at before anything goes through it. (H5Lexists fails, instead of answering no, where a
    // group on the way is missing.)
    for (size_t i = 1; i <= length; i++) {
        int at_end = path[i - 1] != '/' && (path[i] == '/' || path[i] == 0);
        if (!at_end) continue;
        prefix[i] = 0;
        H5L_info_t link;
        // A component that is a data set has nothing below it; libhdf5 calls that an error too.
        if (H5Lexists(parent, prefix, access) <= 0) return 0;
        if (H5Lget_info(parent, prefix, &link, access) < 0) return chdf5_capture();
        if (link.type != H5L_TYPE_HARD) {
            *out = CHDF5_UNREADABLE;
            chdf5_fail("%s is a %s, which is not followed: only what lies in the file itself, under its own name, is "
                       "read; " CHDF5_COPY("h5py"),
                       prefix, link.type == H5L_TYPE_SOFT ? "soft link" : "link into another file");
            return 0;
        }
        prefix[i] = path[i];
    }
    hid_t object = length ? H5Oopen(parent, path, access) : -1;
    if (object < 0) {
        *out = length ? CHDF5_UNREADABLE : CHDF5_MISSING;
        if (length) chdf5_capture();
        return 0;
    }
    H5I_type_t type = H5Iget_type(object);
    *out = type == H5I_GROUP ? CHDF5_GROUP : type == H5I_DATASET ? CHDF5_DATASET : CHDF5_NAMED_TYPE;
    return H5Oclose(object) < 0 ? chdf5_capture() : 0;
}

int chdf5_kind(chdf5_id parent, const char *path, int *out) {
    char *prefix = malloc(strlen(path) + 1);
    if (!prefix) return chdf5_fail("no memory for a path of %zu bytes", strlen(path));
    hid_t access = chdf5_guarded(H5Pcreate(H5P_LINK_ACCESS));
    int kind = CHDF5_MISSING;
    int status = access < 0 ? chdf5_capture() : kind_of(parent, path, prefix, access, &kind);
    if (access >= 0) H5Pclose(access);
    free(prefix);
    if (!status) *out = kind;
    return status;
}

int chdf5_require_hard(chdf5_id parent, const char *path) {
    int kind = CHDF5_MISSING;
    if (strcmp(path, "/") == 0) return 0;
    if (chdf5_kind(parent, path, &kind)) return 1;
    if (kind == CHDF5_MISSING) return chdf5_fail("there is no %s", path);
    return kind == CHDF5_UNREADABLE;
}

int chdf5_object_kind(chdf5_id parent, const char *path, int *out) {
    chdf5_enter();
    return chdf5_leave(chdf5_kind(parent, path, out));
}
