// Engine, operations and their memory. See COneDNN.h for the contracts.
#define _GNU_SOURCE
#include "Internal.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *odnn_status_text(int status) {
    switch ((dnnl_status_t)status) {
    case dnnl_success: return "success";
    case dnnl_out_of_memory: return "out of memory";
    case dnnl_invalid_arguments: return "invalid arguments";
    case dnnl_unimplemented: return "not implemented";
    case dnnl_iterator_ends: return "no implementation left";
    case dnnl_runtime_error: return "failed while running";
    case dnnl_not_required: return "not required";
    default: return "unknown status";
    }
}

// oneDNN's threads are OpenMP's; the setting belongs to the calling thread, so it is renewed at every entry (a store).
static void keepToOneThread(void) {
    static void (*set)(int) = NULL;
    static int looked = 0;
    if (!looked) {
        void *symbol = dlsym(RTLD_DEFAULT, "omp_set_num_threads");
        memcpy(&set, &symbol, sizeof set);
        looked = 1;
    }
    if (set) set(1);
}

// Set by odnn_reserve on the calling thread: memory is counted and left alone.
static _Thread_local int reserving;
static _Thread_local size_t reservedBytes;

void odnn_reserve(int on) {
    reserving = on;
    reservedBytes = 0;
}

size_t odnn_reserved_bytes(void) { return reservedBytes; }

static const size_t hugePage = (size_t)2 << 20;

static size_t roundedBytes(size_t bytes) {
    size_t rounded = (bytes + 63) / 64 * 64;
    return rounded ? rounded : 64;
}

// Zeroed memory, 64-byte aligned; large blocks are aligned to 2 MiB and offered huge pages.
void *odnn_allocate(size_t bytes) {
    size_t rounded = roundedBytes(bytes);
    void *memory = NULL;
    if (posix_memalign(&memory, bytes >= hugePage ? hugePage : 64, rounded) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= hugePage) (void)madvise(memory, rounded, MADV_HUGEPAGE);
#endif
    if (reserving) {
        reservedBytes += rounded;
    } else {
        memset(memory, 0, rounded);
    }
    return memory;
}

int odnn_has_bfloat16_tiles(void) {
    const int instructions = dnnl_cpu_isa_avx512_core_amx;
    return ((int)dnnl_get_effective_cpu_isa() & instructions) == instructions;
}

int odnn_engine_create(odnn_engine **out) {
    keepToOneThread();
    odnn_engine *engine = calloc(1, sizeof *engine);
    if (!engine) return dnnl_out_of_memory;
    int status;
    ODNN_TRY(dnnl_engine_create(&engine->engine, dnnl_cpu, 0), failed);
    ODNN_TRY(dnnl_stream_create(&engine->stream, engine->engine, dnnl_stream_in_order), failed);
    *out = engine;
    return 0;
failed:
    odnn_engine_destroy(engine);
    return status;
}

void odnn_engine_destroy(odnn_engine *engine) {
    if (!engine) return;
    if (engine->stream) dnnl_stream_destroy(engine->stream);
    if (engine->engine) dnnl_engine_destroy(engine->engine);
    free(engine->pool);
    free(engine);
}

int odnn_operation_new(odnn_engine *engine, odnn_operation **out) {
    keepToOneThread();
    odnn_operation *operation = calloc(1, sizeof *operation);
    if (!operation) return dnnl_out_of_memory;
    operation->engine = engine;
    *out = operation;
    return 0;
}

int odnn_memory_at(odnn_operation *operation, const dnnl_memory_desc_t *md, const void *data, dnnl_memory_t *out) {
    if (operation->memoryCount == ODNN_MEMORIES) return dnnl_runtime_error;
    dnnl_memory_t memory;
    int status = (int)dnnl_memory_create(&memory, md, operation->engine->engine, (void *)(uintptr_t)data);
    if (status) return status;
    operation->memories[operation->memoryCount++] = memory;
    *out = memory;
    return 0;
}

int odnn_memory_pooled(odnn_operation *operation, const dnnl_memory_desc_t *md, dnnl_memory_t *out) {
    if (operation->pooledCount == ODNN_POOLED) return dnnl_runtime_error;
    int status = odnn_memory_at(operation, md, DNNL_MEMORY_NONE, out);
    if (status) return status;
    operation->pooled[operation->pooledCount++] = (odnn_pooled){.memory = *out, .offset = operation->poolBytes};
    operation->poolBytes += (dnnl_memory_desc_get_size(md) + 63) / 64 * 64;
    return 0;
}

int odnn_primitive_choose(odnn_engine *engine, const_dnnl_op_desc_t description, const_dnnl_primitive_attr_t attributes,
                          const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *out) {
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&one);
    int status = (int)dnnl_primitive_desc_create(out, description, attributes, engine->engine, hint);
    pthread_mutex_unlock(&one);
    return status;
}

void odnn_step_argument(odnn_step *step, int name, dnnl_memory_t memory) {
    step->arguments[step->count++] = (dnnl_exec_arg_t){.arg = name, .memory = memory};
}

int odnn_step_make(odnn_operation *operation, odnn_step *step, const_dnnl_primitive_desc_t description) {
    int status = (int)dnnl_primitive_create(&step->primitive, description);
    if (status) return status;
    const dnnl_memory_desc_t *scratchpad =
        dnnl_primitive_desc_query_md(description, dnnl_query_scratchpad_md, 0);
    if (!scratchpad || dnnl_memory_desc_get_size(scratchpad) == 0) return 0;
    dnnl_memory_t memory;
    status = odnn_memory_pooled(operation, scratchpad, &memory);
    if (status) return status;
    odnn_step_argument(step, DNNL_ARG_SCRATCHPAD, memory);
    return 0;
}

int odnn_attributes(int accumulate, dnnl_primitive_attr_t *out) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_post_ops_t postOperations = NULL;
    int status;
    ODNN_TRY(dnnl_primitive_attr_create(&attributes), failed);
    ODNN_TRY(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), failed);
    if (accumulate) {
        ODNN_TRY(dnnl_post_ops_create(&postOperations), failed);
        ODNN_TRY(dnnl_post_ops_append_sum(postOperations, 1.0f), failed);
        ODNN_TRY(dnnl_primitive_attr_set_post_ops(attributes, postOperations), failed);
        dnnl_post_ops_destroy(postOperations);
    }
    *out = attributes;
    return 0;
failed:
    if (postOperations) dnnl_post_ops_destroy(postOperations);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return status;
}

int odnn_step_reorder(odnn_operation *operation, odnn_step *step, dnnl_memory_t source, dnnl_memory_t target,
                      int accumulate) {
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t description = NULL;
    const dnnl_memory_desc_t *from, *to;
    int status;
    ODNN_TRY(dnnl_memory_get_memory_desc(source, &from), done);
    ODNN_TRY(dnnl_memory_get_memory_desc(target, &to), done);
    ODNN_TRY(odnn_attributes(accumulate, &attributes), done);
    dnnl_engine_t engine = operation->engine->engine;
    ODNN_TRY(dnnl_reorder_primitive_desc_create(&description, from, engine, to, engine, attributes), done);
    ODNN_TRY(odnn_step_make(operation, step, description), done);
    odnn_step_argument(step, DNNL_ARG_FROM, source);
    odnn_step_argument(step, DNNL_ARG_TO, target);
done:
    if (description) dnnl_primitive_desc_destroy(description);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    return status;
}

int odnn_memory_weights(odnn_operation *operation, const_dnnl_primitive_desc_t description,
                        const dnnl_memory_desc_t *slice, const float *parameter, dnnl_memory_t *out) {
    const dnnl_memory_desc_t *chosen = dnnl_primitive_desc_query_md(description, dnnl_query_weights_md, 0);
    if (operation->weights) return dnnl_runtime_error;
    dnnl_memory_t source;
    int status = odnn_memory_at(operation, slice, parameter, &source);
    if (status) return status;
    operation->weights = odnn_allocate(dnnl_memory_desc_get_size(chosen));
    if (!operation->weights) return dnnl_out_of_memory;
    status = odnn_memory_at(operation, chosen, operation->weights, out);
    return status ? status : odnn_step_reorder(operation, &operation->reload, source, *out, 0);
}

// Grows the engine's pool to what the operation needs.
static int growPool(odnn_operation *operation) {
    odnn_engine *engine = operation->engine;
    if (operation->poolBytes <= engine->poolBytes) return 0;
    char *larger = odnn_allocate(operation->poolBytes);
    if (!larger) return dnnl_out_of_memory;
    if (reserving && engine->pool) reservedBytes -= roundedBytes(engine->poolBytes);
    free(engine->pool);
    engine->pool = larger;
    engine->poolBytes = operation->poolBytes;
    return 0;
}

int odnn_operation_finish(odnn_operation *operation, int status, dnnl_primitive_desc_t hint,
                          dnnl_primitive_desc_t description, dnnl_primitive_attr_t attributes, odnn_operation **out) {
    if (hint) dnnl_primitive_desc_destroy(hint);
    if (description) dnnl_primitive_desc_destroy(description);
    if (attributes) dnnl_primitive_attr_destroy(attributes);
    if (!status) status = growPool(operation);
    if (status) odnn_operation_destroy(operation);
    else *out = operation;
    return status;
}

// Points the pooled memories to the pool where it now is.
static int bind(odnn_operation *operation) {
    if (operation->bound == operation->engine->pool) return 0;
    for (int i = 0; i < operation->pooledCount; i++) {
        odnn_pooled pooled = operation->pooled[i];
        char *place = operation->engine->pool + pooled.offset;
        int status = (int)dnnl_memory_set_data_handle(pooled.memory, place);
        if (status) return status;
    }
    operation->bound = operation->engine->pool;
    return 0;
}

static int execute(odnn_operation *operation, const odnn_step *step) {
    return (int)dnnl_primitive_execute(step->primitive, operation->engine->stream, step->count, step->arguments);
}

int odnn_operation_reload(odnn_operation *operation) {
    if (!operation->reload.primitive) return 0;
    keepToOneThread();
    int status = bind(operation);
    if (status) return status;
    if (operation->rotated) odnn_rotate_weights(&operation->rotatedShape, operation->rotatedFrom, operation->rotated);
    return execute(operation, &operation->reload);
}

int odnn_operation_run(odnn_operation *operation) {
    keepToOneThread();
    int status = bind(operation);
    for (int i = 0; i < operation->runCount && !status; i++) status = execute(operation, &operation->runs[i]);
    if (!status && operation->addTarget) {
        float *target = operation->addTarget;
        const float *addend = operation->addSource;
        const float *result = (const float *)(operation->engine->pool + operation->addOffset);
#pragma clang loop vectorize(assume_safety)  // target may be addend itself
        for (size_t i = 0; i < operation->addCount; i++) target[i] = addend[i] + result[i];
    }
    return status;
}

void odnn_operation_destroy(odnn_operation *operation) {
    if (!operation) return;
    if (operation->reload.primitive) dnnl_primitive_destroy(operation->reload.primitive);
    for (int i = 0; i < ODNN_RUNS; i++) {
        if (operation->runs[i].primitive) dnnl_primitive_destroy(operation->runs[i].primitive);
    }
    for (int i = 0; i < operation->memoryCount; i++) dnnl_memory_destroy(operation->memories[i]);
    free(operation->weights);
    free(operation->rotated);
    free(operation);
}

int odnn_sgemm(int transposeA, int transposeB, int64_t m, int64_t n, int64_t k, float alpha, const float *a,
               int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
    keepToOneThread();
    return (int)dnnl_sgemm(transposeA ? 'T' : 'N', transposeB ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c,
                           ldc);
}
