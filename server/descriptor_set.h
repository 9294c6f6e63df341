/*
 * A google.protobuf.FileDescriptorSet as protoc writes it, looked through for reflection. Nothing
 * is allocated: files are small and questions rare. Sets come from the build
 * (proto/CMakeLists.txt), and are trusted to be well-formed.
 */
#ifndef VQL_SERVER_DESCRIPTOR_SET_H
#define VQL_SERVER_DESCRIPTOR_SET_H

#include "wire.h"

enum { DESCRIPTOR_SET_FILES = 64 }; /* what one set may have */

typedef struct descriptor_set {
    wire_span bytes;
} descriptor_set;

/*
 * Files are FileDescriptorProtos, serialized, that lie in the set. An empty span: there is no such
 * file.
 */
wire_span descriptor_set_file(const descriptor_set *set, wire_span name);

/*
 * The file that declares the full name, without a leading dot, of a message, enum, service, method,
 * field, oneof or enum value. *is_message says whether the name is a message's.
 */
wire_span descriptor_set_symbol(const descriptor_set *set, wire_span symbol, bool *is_message);

/* Writes a file, and then all that it imports, to out; returns how many they are. */
size_t descriptor_set_closure(const descriptor_set *set, wire_span file,
                              wire_span out[DESCRIPTOR_SET_FILES]);

#endif
