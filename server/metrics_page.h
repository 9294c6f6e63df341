/*
 * The page /metrics: what all threads have counted, added up, for Prometheus. docs/METRICS.md is
 * the list.
 */
#ifndef VQL_SERVER_METRICS_PAGE_H
#define VQL_SERVER_METRICS_PAGE_H

#include "admin.h"
#include "observatory.h"

/* An admin_page's; context: the observatory. */
void metrics_page_show(void *context, const admin_request *asked, admin_answer *answer);

#endif
