/*
 * grpc.testing.TestService, as the server's side of gRPC's interoperability tests
 * (https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md, "Server"): its
 * methods are entries of a router's table, like those of vqld.
 */
#ifndef VQL_TESTS_TEST_SERVICE_H
#define VQL_TESTS_TEST_SERVICE_H

#include <uv.h>

#include "encode.h"
#include "router.h"

typedef struct test_service {
    uv_loop_t *loop; /* set by the owner: of the pauses between answers */
    message_buffer message;
} test_service;

/* The header fields that the service looks at, for session_options.metadata. */
extern const char *const test_service_metadata[];

/* Adds the service to the router, with s as its context. */
void test_service_add(test_service *s, router *r);

/* Frees what it keeps. All sessions are closed. */
void test_service_clear(test_service *s);

#endif
