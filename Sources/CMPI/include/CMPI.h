#pragma once

#include <stddef.h>
#include <stdint.h>

/// A thin shim over MPI: what smd needs and no more, with MPI's macros resolved and without MPI's header.
///
/// Contract of every function that returns `int`: 0 is success, anything else is an MPI error code whose text
/// `cmpi_error_message` gives, and on failure nothing reachable through an `out` or `data` argument is to be relied
/// on, except where "untouched" is said. Buffers are owned by the caller. All collectives run on MPI_COMM_WORLD, and
/// counts are `int` as in MPI: the caller divides longer buffers.

/// A request for a collective that is under way. Null once complete; the caller stores it, MPI owns what it names.
typedef struct {
    void *handle;
} cmpi_request;

/// The null request: nothing under way.
cmpi_request cmpi_request_null(void);
/// 1 when `request` is null, that is, complete or never started.
int cmpi_request_is_null(cmpi_request request);

/// Starts MPI, asking for MPI_THREAD_MULTIPLE, and makes errors on the world return instead of abort.
/// `*out_thread_level`: 0 single, 1 funneled, 2 serialized, 3 multiple. Untouched on failure.
int cmpi_initialize(int *out_thread_level);
/// Whether cmpi_initialize has been called, and whether cmpi_finalize has. May be called at any time. Untouched on
/// failure.
int cmpi_initialized(int *out_flag);
int cmpi_finalized(int *out_flag);
/// Leaves MPI. Collective.
int cmpi_finalize(void);
/// Ends all ranks with `code`. Does not return when MPI can carry it out.
int cmpi_abort(int code);

/// MPI's text for an error code, cut to `capacity` bytes with the closing zero. Untouched on failure.
int cmpi_error_message(int error, char *out, size_t capacity);
/// The library's name and version, one line, cut to `capacity`. May be called at any time. Untouched on failure.
int cmpi_library_version(char *out, size_t capacity);
/// This process's rank, and the number of ranks. Untouched on failure.
int cmpi_rank(int *out_rank);
int cmpi_size(int *out_size);
/// The host's name, cut to `capacity` bytes with the closing zero. Untouched on failure.
int cmpi_processor_name(char *out, size_t capacity);

/// Waits for all ranks.
int cmpi_barrier(void);
/// Element-wise sums and maximum over ranks, in place.
int cmpi_sum_float(float *data, int count);
int cmpi_sum_double(double *data, int count);
int cmpi_maximum_double(double *data, int count);

/// Copies each rank's `counts[rank]` elements at `data + offsets[rank]` to the same place on all ranks. `counts` and
/// `offsets` (as many as ranks) are the same on all ranks.
int cmpi_all_gather_float(float *data, const int *counts, const int *offsets);
/// Moves `count` elements from one rank to another: one sends, the other receives.
int cmpi_send_float(const float *data, int count, int to);
int cmpi_receive_float(float *data, int count, int from);

/// Starts an in-place sum. `data` belongs to MPI until the request is complete. `*out_request` untouched on failure.
int cmpi_begin_sum_float(float *data, int count, cmpi_request *out_request);
/// Starts to hand `counts[r]` elements at `data + offsets[r]` to every rank r; those of rank r for this one come to
/// `out_received + received_offsets[r]`, `received_counts[r]` of them. All buffers and arrays (as many as ranks) belong to
/// MPI until the request is complete. `*out_request` untouched on failure.
int cmpi_begin_exchange_float(const float *data, const int *counts, const int *offsets, float *out_received,
                              const int *received_counts, const int *received_offsets, cmpi_request *out_request);
/// Starts what cmpi_all_gather_float does. `data`, `counts` and `offsets` belong to MPI until the request is complete.
/// Independent of the order of other calls: only gathers are begun in one order on all ranks. `*out_request` untouched
/// on failure.
int cmpi_begin_all_gather_float(float *data, const int *counts, const int *offsets, cmpi_request *out_request);
/// Moves requests forward without blocking. Those that are complete become null; null ones are skipped.
int cmpi_test_some(cmpi_request *requests, int count, int *out_completed);
/// Blocks until the request is complete; it becomes null.
int cmpi_wait(cmpi_request *request);

/// `bytes` of memory, not initialised, that the ranks of a host share; it lasts until cmpi_finalize. Collective, with as
/// many `bytes` on all ranks. `*out_first`: 1 on one rank of each host, which is to write it, else 0. Both untouched on
/// failure.
int cmpi_host_memory(size_t bytes, void **out_memory, int *out_first);
/// Afterwards all ranks of a host see what was written to its shared memory before. Collective.
int cmpi_host_memory_written(void);

/// Copies `count` bytes of rank `root` to all.
int cmpi_broadcast(void *data, int count, int root);
/// Every rank's `value` in `out_values` (as many as ranks), by rank.
int cmpi_gather_sizes(int64_t value, int64_t *out_values);
/// Every rank's `count` bytes in `out_data`: rank r's `counts[r]` bytes at offset `offsets[r]`. `counts` and
/// `offsets` (as many as ranks) are the same on all ranks.
int cmpi_gather_bytes(const void *data, int count, void *out_data, const int *counts, const int *offsets);
