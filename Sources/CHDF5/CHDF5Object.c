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
    return chdf5_strings_append(context, name) ? -1 : 0;
}

int chdf5_group_names(chdf5_id group, char **out, size_t *bytes) {
    chdf5_enter();
    chdf5_strings names = {0};
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect_link, &names) < 0) {
        int status = chdf5_capture();
        free(names.bytes);
        return chdf5_leave(status);
    }
    *out = names.bytes;
    *bytes = names.used;
    return chdf5_leave(0);
}

/// Kind of the object at `path` once every component of it is known to exist.
static int kind_of_existing(chdf5_id parent, const char *path, hid_t access, int *out) {
    hid_t object = H5Oopen(parent, path, access);
    if (object < 0) {  // a dangling soft link, or one into another file
        *out = CHDF5_UNREADABLE;
        return 0;
    }
    H5I_type_t type = H5Iget_type(object);
    *out = type == H5I_GROUP ? CHDF5_GROUP : type == H5I_DATASET ? CHDF5_DATASET : CHDF5_NAMED_TYPE;
    return H5Oclose(object) < 0 ? chdf5_capture() : 0;
}

int chdf5_object_kind(chdf5_id parent, const char *path, int *out) {
    chdf5_enter();
    size_t length = strlen(path);
    char *prefix = malloc(length + 1);
    if (!prefix) return chdf5_leave(chdf5_fail("no memory for a path of %zu bytes", length));
    memcpy(prefix, path, length + 1);
    hid_t access = chdf5_guarded(H5Pcreate(H5P_LINK_ACCESS));
    int status = access < 0 ? chdf5_capture() : 0;
    int missing = 0;
    // H5Lexists fails, instead of answering no, where a group on the way is missing: ask from the front.
    for (size_t i = 0; i <= length && !status && !missing; i++) {
        int at_end = i > 0 && path[i - 1] != '/' && (path[i] == '/' || path[i] == 0);
        if (!at_end) continue;
        prefix[i] = 0;
        htri_t exists = H5Lexists(parent, prefix, access);
        prefix[i] = path[i];
        // A component that is a data set has nothing below it; libhdf5 calls that an error too.
        missing = exists <= 0;
    }
    int kind = CHDF5_MISSING;
    if (!status && !missing && length) status = kind_of_existing(parent, path, access, &kind);
    if (access >= 0) H5Pclose(access);
    free(prefix);
    if (!status) *out = kind;
    return chdf5_leave(status);
}
