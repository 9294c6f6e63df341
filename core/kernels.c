#include "kernels.h"

const vql_kernels *vql_kernels_active(void)
{
    return &vql_kernels_scalar;
}
