"""Spectral efficiency of a user's link to a small cell: 3GPP UMi street canyon at 4 GHz, with a noise margin."""

import numpy as np

from aigc_market_env.model.parameters import FloatArray

CARRIER_GHZ = 4.0
CELL_HEIGHT, USER_HEIGHT = 10.0, 1.5  # m; ITU-R M.2412-0, micro
TRANSMIT_DBM_PER_20_MHZ = 33.0  # ITU-R M.2412-0, table 5.b, configuration C
ANTENNA_GAIN_DBI = 8.0
NOISE_DBM = -174.0 + 10 * np.log10(20e6) + 7.0  # thermal noise in 20 MHz and the user's noise figure
INTERFERENCE_MARGIN_DB = 20.0  # a choice: real cells are limited by interference, not by noise

#: Lowest and highest spectral efficiency of a layer: 3GPP TS 38.214, table 5.1.3.1-2.
LOWEST_EFFICIENCY, HIGHEST_EFFICIENCY = 0.2344, 7.4063
#: Share of Shannon's capacity that a real link reaches (a choice).
IMPLEMENTATION = 0.75

#: Shadow fading of a line-of-sight UMi link, dB: 3GPP TR 38.901 (as implemented in NVlabs/sionna).
SHADOWING_DB = 4.0
#: Its correlation from one slot of 10 s to the next, around the mean of a drive: of means over 10 s of the SINR in 102
#: drives of CICV5G (Zenodo 10.5281/zenodo.17475688), where 1 s apart it is 0.93-0.95.
SLOT_CORRELATION = 0.3


def line_of_sight_probability(distance: FloatArray) -> FloatArray:
    """P(line of sight) at a horizontal distance in m; 3GPP TR 38.901, UMi."""
    probability: FloatArray = np.where(
        distance <= 18.0, 1.0, 18.0 / distance + np.exp(-distance / 36.0) * (1.0 - 18.0 / distance)
    )
    return probability


def path_loss(distance: FloatArray, line_of_sight: np.ndarray) -> FloatArray:
    """Path loss, dB, at a horizontal distance in m below the breakpoint; 3GPP TR 38.901, UMi."""
    distance_3d = np.hypot(distance, CELL_HEIGHT - USER_HEIGHT)
    clear = 32.4 + 21.0 * np.log10(distance_3d) + 20.0 * np.log10(CARRIER_GHZ)
    blocked = 35.3 * np.log10(distance_3d) + 22.4 + 21.3 * np.log10(CARRIER_GHZ) - 0.3 * (USER_HEIGHT - 1.5)
    loss: FloatArray = np.where(line_of_sight, clear, np.maximum(clear, blocked))
    return loss


def spectral_efficiency(distance: FloatArray, line_of_sight: np.ndarray) -> FloatArray:
    """Mean spectral efficiency, bit/s/Hz, of links of the given horizontal distances in m."""
    received = TRANSMIT_DBM_PER_20_MHZ + ANTENNA_GAIN_DBI - path_loss(distance, line_of_sight)
    snr = 10.0 ** ((received - NOISE_DBM - INTERFERENCE_MARGIN_DB) / 10.0)
    efficiency: FloatArray = np.clip(IMPLEMENTATION * np.log2(1.0 + snr), LOWEST_EFFICIENCY, HIGHEST_EFFICIENCY)
    return efficiency
