import { Page } from '../../components/page';

export default function AccessPage() {
  return <Page title="Access">…</Page>;
}
