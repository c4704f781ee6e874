"""Operations on one mask, id-map or list of masks at a time; numpy and scipy only."""
