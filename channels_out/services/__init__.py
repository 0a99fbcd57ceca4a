"""What delivery does: `deliver` for those above, the rest for this app's own doors."""

from channels_out.services.delivering import deliver
from channels_out.services.orders import Delivered, DeliveryOrder

__all__ = ["Delivered", "DeliveryOrder", "deliver"]
