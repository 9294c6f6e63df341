#include "ctl_event_types.h"

#include <stdlib.h>
#include <string.h>

#include "decimal.h"

static const Vql__V1__Model *find_active(const Vql__V1__ListModelsResponse *models)
{
    for (size_t i = 0; i < models->n_models; i++)
        if (models->models[i]->active)
            return models->models[i];
    return NULL;
}

bool event_types_copy(const Vql__V1__ListModelsResponse *models, event_types *types)
{
    *types = (event_types){0};
    const Vql__V1__Model *active = find_active(models);
    if (active == NULL || active->n_event_types == 0)
        return true;
    types->names = calloc(active->n_event_types, sizeof *types->names);
    if (types->names == NULL)
        return false;
    for (size_t i = 0; i < active->n_event_types; i++) {
        types->names[i] = strdup(active->event_types[i]);
        if (types->names[i] == NULL) {
            event_types_free(types);
            return false;
        }
        types->count++;
    }
    return true;
}

void event_types_free(event_types *types)
{
    for (size_t i = 0; i < types->count; i++)
        free(types->names[i]);
    free(types->names);
    *types = (event_types){0};
}

bool event_types_find(const event_types *types, const char *text, uint32_t *type)
{
    uint64_t number;
    if (decimal_parse(text, strlen(text), UINT32_MAX, &number)) {
        *type = (uint32_t)number;
        return true;
    }
    for (size_t i = 0; i < types->count; i++) {
        if (strcmp(types->names[i], text) == 0) {
            *type = (uint32_t)i;
            return true;
        }
    }
    return false;
}
