// What the files of this shim share. Not visible outside of the target.
#pragma once
#include "COneDNN.h"
#include <dnnl.h>

enum { ODNN_ARGUMENTS = 8, ODNN_RUNS = 4, ODNN_MEMORIES = 16, ODNN_POOLED = 8 };

struct odnn_engine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    char *pool;  // scratch of whichever operation runs; grows to the largest, contents never survive a run
    size_t poolBytes;
};

/// One primitive with its arguments.
typedef struct {
    dnnl_primitive_t primitive;
    int count;
    dnnl_exec_arg_t arguments[ODNN_ARGUMENTS];
} odnn_step;

/// A memory object that lies in the engine's pool.
typedef struct {
    dnnl_memory_t memory;
    size_t offset;
} odnn_pooled;

struct odnn_operation {
    odnn_engine *engine;
    odnn_step reload;  // primitive is NULL where nothing is derived from parameters
    odnn_step runs[ODNN_RUNS];
    int runCount;
    dnnl_memory_t memories[ODNN_MEMORIES];
    int memoryCount;
    odnn_pooled pooled[ODNN_POOLED];
    int pooledCount;
    size_t poolBytes;     // what this operation needs of the pool
    const char *bound;    // the pool its pooled memories point to
    void *weights;        // private copy of the weights
    float *rotated;       // the weights at `rotatedFrom` rotated by 180°, before they are reordered; or NULL
    const float *rotatedFrom;
    odnn_convolution_shape rotatedShape;
    // addTarget[i] = addSource[i] + pool[addOffset + i] after the primitives, unless addTarget is NULL.
    float *addTarget;
    const float *addSource;
    size_t addOffset, addCount;  // bytes, elements
};

/// An empty operation of `engine`.
int odnn_operation_new(odnn_engine *engine, odnn_operation **out);

/// A memory object of `md` at `data`, owned by the operation.
int odnn_memory_at(odnn_operation *operation, const dnnl_memory_desc_t *md, const void *data, dnnl_memory_t *out);

/// A memory object of `md` in the pool, behind what the operation already has there.
int odnn_memory_pooled(odnn_operation *operation, const dnnl_memory_desc_t *md, dnnl_memory_t *out);

/// A memory object of the weights that the primitive of `description` reads, in private memory (the operation's
/// `weights`) and zeroed; at a reload they are copied there from `parameter`, which lies as `slice` says.
int odnn_memory_weights(odnn_operation *operation, const_dnnl_primitive_desc_t description,
                        const dnnl_memory_desc_t *slice, const float *parameter, dnnl_memory_t *out);

/// Zeroed memory, aligned to 64 bytes or more; NULL when there is none. To be released with free.
void *odnn_allocate(size_t bytes);

/// to [C, O, kh, kw] = the slice of w [O, I, kh, kw] with its axes O and C exchanged and its windows rotated by 180°.
void odnn_rotate_weights(const odnn_convolution_shape *shape, const float *w, float *to);

/// Chooses an implementation, as dnnl_primitive_desc_create does, for one thread at a time: oneDNN 2.6 keeps a number
/// of its search for a convolution's blocking in a static variable, so that a convolution described while another
/// thread describes one of another format may read its weights in the wrong order, and give wrong results.
int odnn_primitive_choose(odnn_engine *engine, const_dnnl_op_desc_t description, const_dnnl_primitive_attr_t attributes,
                          const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *out);

/// Makes the primitive of `description` and gives it a scratchpad in the pool.
int odnn_step_make(odnn_operation *operation, odnn_step *step, const_dnnl_primitive_desc_t description);
void odnn_step_argument(odnn_step *step, int name, dnnl_memory_t memory);

/// A step that copies `source` to `target`, adding to what is there when `accumulate`.
int odnn_step_reorder(odnn_operation *operation, odnn_step *step, dnnl_memory_t source, dnnl_memory_t target,
                      int accumulate);

/// The end of every constructor, whether it succeeded (`status`) or not: grows the engine's pool to what the operation
/// needs and hands it over, or destroys it. Releases the descriptions it was made from, which may be NULL.
int odnn_operation_finish(odnn_operation *operation, int status, dnnl_primitive_desc_t hint,
                          dnnl_primitive_desc_t description, dnnl_primitive_attr_t attributes, odnn_operation **out);

/// Attributes with a scratchpad of the user and, when asked, a sum into the destination.
int odnn_attributes(int accumulate, dnnl_primitive_attr_t *out);

/// Returns from the calling function with `cleanup` done when `call` fails.
#define ODNN_TRY(call, label)                                                                                          \
    do {                                                                                                               \
        status = (int)(call);                                                                                          \
        if (status != 0) goto label;                                                                                   \
    } while (0)
