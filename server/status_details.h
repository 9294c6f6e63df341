/*
 * grpc-status-details-bin: a google.rpc.Status with what a program can act on. An ErrorInfo always;
 * a BadRequest when a field is at fault; a RetryInfo beside grpc-retry-pushback-ms.
 */
#ifndef VQL_SERVER_STATUS_DETAILS_H
#define VQL_SERVER_STATUS_DETAILS_H

#include <stdbool.h>

#include "grpc.h"

enum { STATUS_DETAILS_BYTES = 2048 }; /* the field's text and its terminator */

#define STATUS_DETAILS_DOMAIN "vql"

/*
 * Writes the field's value, terminated, to out of STATUS_DETAILS_BYTES. False: it does not fit, or
 * the error is GRPC_OK, which has no details.
 */
bool status_details_write(const grpc_error *error, char *out);

#endif
