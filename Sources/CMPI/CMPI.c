#define _GNU_SOURCE
#include "CMPI.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

// A request travels through Swift as an opaque word: true of every MPI whose handles are pointers or ints.
_Static_assert(sizeof(MPI_Request) <= sizeof(void *), "an MPI_Request does not fit cmpi_request");

static MPI_Request unwrap(cmpi_request request) {
    MPI_Request inner;
    memcpy(&inner, &request.handle, sizeof inner);
    return inner;
}

static cmpi_request wrap(MPI_Request inner) {
    cmpi_request request = {0};
    memcpy(&request.handle, &inner, sizeof inner);
    return request;
}

// Ranks begin a gather when their own exchange is done, at their own time: gathers have a communicator of their own, so
// that on each of the two all ranks begin their calls in one order.
static MPI_Comm gathering = MPI_COMM_NULL;

// The ranks of this host, and the memory that they share; null until it is asked for.
static MPI_Comm on_host = MPI_COMM_NULL;
static MPI_Win host_memory[8];
static int host_memories = 0;

/// Hands the text of a call over where its `status` is success; returns the status.
static int copy_text(int status, const char *text, char *out, size_t capacity) {
    if (status != MPI_SUCCESS || capacity == 0) return status;
    size_t length = strnlen(text, capacity - 1);
    memcpy(out, text, length);
    out[length] = 0;
    // Library texts may hold line breaks; a message is one line.
    for (char *c = out; *c; c++) {
        if (*c == '\n' || *c == '\r') *c = ' ';
    }
    return status;
}

cmpi_request cmpi_request_null(void) { return wrap(MPI_REQUEST_NULL); }

int cmpi_request_is_null(cmpi_request request) { return unwrap(request) == MPI_REQUEST_NULL; }

int cmpi_initialize(int *out_thread_level) {
    int provided = MPI_THREAD_SINGLE;
    // In place, Open MPI's MPI_Iallreduce would send the whole buffer down and up a binomial tree. Rabenseifner's
    // algorithm moves twice the buffer a rank however many there are. A setting of the user's goes first.
    (void)setenv("OMPI_MCA_coll_libnbc_iallreduce_algorithm", "rabenseifner", 0);
    // MULTIPLE so that a watchdog thread may call MPI_Abort; with less, MPI belongs to the main thread.
    int status = MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    if (status != MPI_SUCCESS) return status;
    status = MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (status != MPI_SUCCESS) return status;
    status = MPI_Comm_dup(MPI_COMM_WORLD, &gathering);
    if (status != MPI_SUCCESS) return status;
    *out_thread_level = provided == MPI_THREAD_MULTIPLE     ? 3
                        : provided == MPI_THREAD_SERIALIZED ? 2
                        : provided == MPI_THREAD_FUNNELED   ? 1
                                                            : 0;
    return MPI_SUCCESS;
}

int cmpi_initialized(int *out_flag) { return MPI_Initialized(out_flag); }

int cmpi_finalized(int *out_flag) { return MPI_Finalized(out_flag); }

int cmpi_finalize(void) {
    int status = MPI_Comm_free(&gathering);
    while (status == MPI_SUCCESS && host_memories > 0) status = MPI_Win_free(&host_memory[--host_memories]);
    if (status == MPI_SUCCESS && on_host != MPI_COMM_NULL) status = MPI_Comm_free(&on_host);
    return status == MPI_SUCCESS ? MPI_Finalize() : status;
}

int cmpi_abort(int code) { return MPI_Abort(MPI_COMM_WORLD, code); }

int cmpi_error_message(int error, char *out, size_t capacity) {
    char text[MPI_MAX_ERROR_STRING + 1] = {0};
    int length = 0;
    return copy_text(MPI_Error_string(error, text, &length), text, out, capacity);
}

int cmpi_library_version(char *out, size_t capacity) {
    char text[MPI_MAX_LIBRARY_VERSION_STRING + 1] = {0};
    int length = 0;
    return copy_text(MPI_Get_library_version(text, &length), text, out, capacity);
}

int cmpi_rank(int *out_rank) { return MPI_Comm_rank(MPI_COMM_WORLD, out_rank); }

int cmpi_size(int *out_size) { return MPI_Comm_size(MPI_COMM_WORLD, out_size); }

int cmpi_processor_name(char *out, size_t capacity) {
    char text[MPI_MAX_PROCESSOR_NAME + 1] = {0};
    int length = 0;
    return copy_text(MPI_Get_processor_name(text, &length), text, out, capacity);
}

int cmpi_barrier(void) { return MPI_Barrier(MPI_COMM_WORLD); }

int cmpi_sum_float(float *data, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

int cmpi_sum_double(double *data, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

int cmpi_maximum_double(double *data, int count) {
    return MPI_Allreduce(MPI_IN_PLACE, data, count, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
}

int cmpi_all_gather_float(float *data, const int *counts, const int *offsets) {
    return MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, counts, offsets, MPI_FLOAT, MPI_COMM_WORLD);
}

int cmpi_send_float(const float *data, int count, int to) {
    return MPI_Send(data, count, MPI_FLOAT, to, 0, MPI_COMM_WORLD);
}

int cmpi_receive_float(float *data, int count, int from) {
    return MPI_Recv(data, count, MPI_FLOAT, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

int cmpi_begin_sum_float(float *data, int count, cmpi_request *out_request) {
    MPI_Request request = MPI_REQUEST_NULL;
    int status = MPI_Iallreduce(MPI_IN_PLACE, data, count, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD, &request);
    if (status == MPI_SUCCESS) *out_request = wrap(request);
    return status;
}

int cmpi_begin_exchange_float(const float *data, const int *counts, const int *offsets, float *out_received,
                              const int *received_counts, const int *received_offsets, cmpi_request *out_request) {
    MPI_Request request = MPI_REQUEST_NULL;
    int status = MPI_Ialltoallv(data, counts, offsets, MPI_FLOAT, out_received, received_counts, received_offsets,
                                MPI_FLOAT, MPI_COMM_WORLD, &request);
    if (status == MPI_SUCCESS) *out_request = wrap(request);
    return status;
}

int cmpi_begin_all_gather_float(float *data, const int *counts, const int *offsets, cmpi_request *out_request) {
    MPI_Request request = MPI_REQUEST_NULL;
    int status = MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, data, counts, offsets, MPI_FLOAT, gathering,
                                 &request);
    if (status == MPI_SUCCESS) *out_request = wrap(request);
    return status;
}

int cmpi_test_some(cmpi_request *requests, int count, int *out_completed) {
    // Tested in blocks that fit the stack. One block is one turn of MPI's progress engine, so the common case (a few
    // buckets) costs a single call.
    enum { block = 64 };
    MPI_Request inner[block];
    int indices[block];
    int total = 0;
    for (int start = 0; start < count; start += block) {
        int length = count - start < block ? count - start : block;
        for (int i = 0; i < length; i++) inner[i] = unwrap(requests[start + i]);
        int completed = 0;
        int status = MPI_Testsome(length, inner, &completed, indices, MPI_STATUSES_IGNORE);
        for (int i = 0; i < length; i++) requests[start + i] = wrap(inner[i]);
        if (status != MPI_SUCCESS) return status;
        if (completed != MPI_UNDEFINED) total += completed;
    }
    *out_completed = total;
    return MPI_SUCCESS;
}

int cmpi_wait(cmpi_request *request) {
    MPI_Request inner = unwrap(*request);
    int status = MPI_Wait(&inner, MPI_STATUS_IGNORE);
    *request = wrap(inner);
    return status;
}

int cmpi_host_memory(size_t bytes, void **out_memory, int *out_first) {
    if (host_memories == sizeof host_memory / sizeof *host_memory) return MPI_ERR_NO_MEM;
    int status = MPI_SUCCESS;
    if (on_host == MPI_COMM_NULL) {
        status = MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &on_host);
    }
    int rank = 0;
    if (status == MPI_SUCCESS) status = MPI_Comm_rank(on_host, &rank);
    if (status != MPI_SUCCESS) return status;
    MPI_Win window = MPI_WIN_NULL;
    void *own = NULL;
    status = MPI_Win_allocate_shared(rank == 0 ? (MPI_Aint)bytes : 0, 1, MPI_INFO_NULL, on_host, &own, &window);
    if (status != MPI_SUCCESS) return status;
    host_memory[host_memories++] = window;
    MPI_Aint size = 0;
    int unit = 0;
    void *memory = NULL;
    status = MPI_Win_shared_query(window, 0, &size, &unit, &memory);
    if (status == MPI_SUCCESS) status = MPI_Win_fence(0, window);
    if (status != MPI_SUCCESS) return status;
    *out_memory = memory;
    *out_first = rank == 0;
    return MPI_SUCCESS;
}

int cmpi_host_memory_written(void) {
    int status = MPI_SUCCESS;
    for (int i = 0; i < host_memories && status == MPI_SUCCESS; i++) status = MPI_Win_fence(0, host_memory[i]);
    return status;
}

int cmpi_broadcast(void *data, int count, int root) {
    return MPI_Bcast(data, count, MPI_BYTE, root, MPI_COMM_WORLD);
}

int cmpi_gather_sizes(int64_t value, int64_t *out_values) {
    return MPI_Allgather(&value, 1, MPI_INT64_T, out_values, 1, MPI_INT64_T, MPI_COMM_WORLD);
}

int cmpi_gather_bytes(const void *data, int count, void *out_data, const int *counts, const int *offsets) {
    return MPI_Allgatherv(data, count, MPI_BYTE, out_data, counts, offsets, MPI_BYTE, MPI_COMM_WORLD);
}
