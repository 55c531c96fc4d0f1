"""What training makes smaller: one loss for each task, over the vectors of all processes."""

from youtu_st.training.objectives.contrastive import CachedInfoNCELoss, InfoNCELoss
from youtu_st.training.objectives.distillation import DistillationLoss
from youtu_st.training.objectives.objective import Objective
from youtu_st.training.objectives.ranking import CoSENTLoss, PearsonLoss, PROLoss, RankKLLoss
from youtu_st.training.objectives.similarity import SimilarityLoss

__all__ = [
    "CachedInfoNCELoss",
    "CoSENTLoss",
    "DistillationLoss",
    "InfoNCELoss",
    "Objective",
    "PROLoss",
    "PearsonLoss",
    "RankKLLoss",
    "SimilarityLoss",
]
