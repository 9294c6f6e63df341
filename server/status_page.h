/*
 * The pages /readyz and /statusz: whether the server serves, and what it is and has at present, for
 * people or, with format=json, for programs.
 */
#ifndef VQL_SERVER_STATUS_PAGE_H
#define VQL_SERVER_STATUS_PAGE_H

#include "admin.h"

/* Each an admin_page's; context: the observatory. */
void status_page_ready(void *context, const admin_request *asked, admin_answer *answer);
void status_page_show(void *context, const admin_request *asked, admin_answer *answer);

#endif
