/*
 * protobuf-c messages on an rpc.
 */
#ifndef VQL_CLIENT_MESSAGE_H
#define VQL_CLIENT_MESSAGE_H

#include "engine.h"

/* Packs a message and queues it. False when rpc_send refused it or there is no memory. */
bool message_send(rpc *r, const ProtobufCMessage *message);

/*
 * Unpacks a message, to be freed with protobuf_c_message_free_unpacked(message, NULL). When that
 * fails the rpc ends with INTERNAL and NULL is returned.
 */
ProtobufCMessage *message_read(rpc *r, const ProtobufCMessageDescriptor *type, const uint8_t *bytes,
                               size_t count);

#endif
