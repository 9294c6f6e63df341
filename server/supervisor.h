/*
 * What started the server and waits to hear from it, by systemd's protocol: sd_notify(3), "Notes".
 */
#ifndef VQL_SERVER_SUPERVISOR_H
#define VQL_SERVER_SUPERVISOR_H

#include <stdbool.h>

/*
 * Sends a state, "READY=1" or "STOPPING=1", to the datagram socket that the environment's
 * NOTIFY_SOCKET names: a path, or '@' and an abstract name. True without such a variable, too:
 * nobody waits. False is logged: the name is none, or nobody took the message.
 */
bool supervisor_tell(const char *state);

#endif
