/* A stand-in for libedgetpu: a TensorFlow Lite delegate that takes every edgetpu-custom-op and writes, as the scores of
   the classes, the picture's first byte and its own device's number. What it does wrong is chosen by -DMODE=...
   The structures are the beginnings of those of tensorflow/lite/core/c/common.h, whose order never changes. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORKS, NO_DEVICE, REASON, CRASH_LOADING, CRASH_INVOKING, HANGS, OLD, MISFIT, FAILS, PICKY };

typedef struct { int size; int data[]; } IntArray;
typedef struct { int type; uint8_t *data; IntArray *dims; float scale; int32_t zero; int allocation; size_t bytes;
                 const void *mapped; const char *name; void *delegate; int handle; _Bool stale, variable;
                 struct { int type; void *params; } quantization; void *sparsity; const IntArray *signature; } Tensor;
typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;
typedef struct Context Context;
typedef struct { void *(*init)(Context *, const char *, size_t); void (*free)(Context *, void *);
                 int (*prepare)(Context *, Node *); int (*invoke)(Context *, Node *); const char *(*profiling)(void);
                 int32_t code; const char *name; int version; void *external; void *async; uint64_t inplace; } Operator;
typedef struct Delegate { void *data; int (*prepare)(Context *, struct Delegate *); void *copy_from, *copy_to, *release;
                          int64_t flags; void *opaque; } Delegate;
struct Context { size_t count; int (*plan)(Context *, IntArray **); Tensor *tensors; void *impl; void *resize;
                 void (*report)(Context *, const char *, ...); void *add;
                 int (*node)(Context *, int, Node **, Operator **);
                 int (*replace)(Context *, Operator, const IntArray *, Delegate *); };
typedef struct { void *delegate; } Params;

static void *init(Context *context, const char *buffer, size_t length) {
  return ((Delegate *)((Params *)buffer)->delegate)->data;
}

static int prepare_node(Context *context, Node *node) { return 0; }

static int invoke(Context *context, Node *node) {
  const char *device = node->user_data;
  Tensor *in = &context->tensors[node->inputs->data[0]], *out = &context->tensors[node->outputs->data[0]];
  int number = device[0] == ':' ? atoi(device + 1) : 0;
  if (MODE == CRASH_INVOKING) raise(SIGSEGV);
  if (MODE == FAILS && in->data[0] == 13) return context->report(context, "the device is gone"), 1;
  usleep(number == 0 ? 30000 : 10000); /* the first is the slower one */
  memset(out->data, 0, out->bytes);
  out->data[0] = in->data[0];
  out->data[1] = (uint8_t)number;
  return 0;
}

static int prepare(Context *context, Delegate *delegate) {
  Operator kernel = {.init = init, .prepare = prepare_node, .invoke = invoke, .name = "stand-in", .version = 1};
  IntArray *plan, *mine;
  if (MODE == OLD)
    return context->report(context, "Package requires runtime version (14), which is newer than this one (13)."), 1;
  if (MODE == MISFIT) return context->report(context, "Unsupported data type in custom op handler: 6488064"), 1;
  if (context->plan(context, &plan)) return 1;
  mine = malloc(sizeof(IntArray) + sizeof(int) * plan->size);
  mine->size = 0;
  for (int i = 0; i < plan->size; i++) {
    Node *node;
    Operator *operator;
    if (context->node(context, plan->data[i], &node, &operator)) return 1;
    if (operator->name && !strcmp(operator->name, "edgetpu-custom-op")) mine->data[mine->size++] = plan->data[i];
  }
  int status = mine->size ? context->replace(context, kernel, mine, delegate) : 0;
  free(mine);
  return status;
}

/* As a library does that was built for another TensorFlow Lite. */
static int within_litert(void) {
  char line[4096];
  int found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  while (maps && fgets(line, sizeof line, maps)) found |= strstr(line, "ai_edge_litert") != NULL;
  if (maps) fclose(maps);
  return found;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
  const char *device = "";
  FILE *record = fopen(RECORD, "a");
  for (size_t i = 0; i < count; i++) {
    fprintf(record, "%d %s=%s\n", getpid(), keys[i], values[i]);
    if (!strcmp(keys[i], "device")) device = values[i];
  }
  if (!count) fprintf(record, "%d\n", getpid());
  fclose(record);
  if (MODE == CRASH_LOADING || (MODE == PICKY && within_litert())) raise(SIGSEGV);
  if (MODE == HANGS) for (;;) sleep(1);
  if (MODE == REASON) return report("the firmware\ncannot be loaded"), NULL;
  if (MODE == NO_DEVICE || (device[0] == ':' && atoi(device + 1) >= DEVICES)) return NULL;
  Delegate *made = calloc(1, sizeof(Delegate));
  made->data = strdup(device);
  made->prepare = prepare;
  made->flags = 1; /* sizes may be open, or an operator that is not known would be refused before it can be taken */
  return made;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
  if (delegate) free(delegate->data);
  free(delegate);
}

void *edgetpu_list_devices(size_t *count) { return *count = DEVICES, malloc(1); }

void edgetpu_free_devices(void *devices) { free(devices); }
