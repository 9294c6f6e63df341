/*
 * The event types of a server's active model, by name.
 */
#ifndef VQL_CLIENT_CTL_EVENT_TYPES_H
#define VQL_CLIENT_CTL_EVENT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vqlclient.h"

/* All zero: no names. */
typedef struct event_types {
    char **names; /* owned, and so is each */
    size_t count;
} event_types;

/* Copies the names of the active model. False when there is no memory; *types is empty then. */
bool event_types_copy(const Vql__V1__ListModelsResponse *models, event_types *types);
void event_types_free(event_types *types);

/* The type that a text names, or is the number of. False when it is neither. */
bool event_types_find(const event_types *types, const char *text, uint32_t *type);

#endif
