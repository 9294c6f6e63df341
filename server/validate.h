/*
 * What a decoded request must satisfy before it is sent to a shard (the table of errors in docs and
 * .proto comments). The job's error names the field, the value and the limit.
 */
#ifndef VQL_SERVER_VALIDATE_H
#define VQL_SERVER_VALIDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "decode.h"
#include "job.h"
#include "model_set.h"

/*
 * Checks a job's request, gives it its version, which lives as long as the set, and puts the
 * server's now in the place of times that are 0. wall_ms: milliseconds since the Unix epoch.
 */
bool validate(job *j, const request_limits *limits, const model_set *models, int64_t wall_ms);

#endif
