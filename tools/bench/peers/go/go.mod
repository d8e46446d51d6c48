// SPDX-License-Identifier: MIT
module weft-bench-peer

go 1.23
